import { assert, assertEquals, assertRejects } from "@std/assert";
import { DeadlineHeap } from "../../../src/pool/deadline_heap.ts";
import { WaitQueue } from "../../../src/pool/wait_queue.ts";
import type { Waiter } from "../../../src/pool/waiter.ts";

const START = { startedAt: 0, timeoutMs: 1000 };

Deno.test("WaitQueue keeps the order, whoever leaves", async () => {
  const queue = new WaitQueue<string>(() => {});
  const calls = [0, 1, 2, 3].map(() => queue.add(START));
  const [, second, third] = [...queue];
  queue.serve(third!, "third");
  queue.fail(second!, new TypeError("second"));
  assertEquals(await calls[2], "third");
  await assertRejects(() => calls[1]!, TypeError, "second");
  assertEquals(queue.length, 2);
  queue.serve(queue.head!, "first");
  queue.serve(queue.head!, "fourth");
  assertEquals(await Promise.all([calls[0], calls[3]]), ["first", "fourth"]);
  assertEquals([queue.length, queue.head], [0, undefined]);
});

Deno.test("WaitQueue.expired() finds who has waited for too long, the earliest first", () => {
  const queue = new WaitQueue<string>(() => {});
  const timeouts = [500, 100, Infinity, 300];
  const calls = timeouts.map((timeoutMs) => queue.add({ startedAt: 10, timeoutMs }));
  for (const call of calls) call.catch(() => {});
  assertEquals([queue.nextDeadline, queue.expired(109)], [110, undefined]);
  const found: number[] = [];
  for (let due = queue.expired(400); due !== undefined; due = queue.expired(400)) {
    found.push(due.timeoutMs);
    queue.fail(due, new Error("late"));
  }
  assertEquals([found, queue.nextDeadline, queue.length], [[100, 300], 510, 2]);
  queue.serve(queue.head!, "served");
  assertEquals(queue.nextDeadline, Infinity);
});

Deno.test("WaitQueue ends a wait when its signal aborts, and tells of it afterwards", async () => {
  const told: number[] = [];
  const queue: WaitQueue<string> = new WaitQueue(() => told.push(queue.length));
  const abort = new AbortController();
  const call = queue.add({ ...START, signal: abort.signal });
  queue.add(START).catch(() => {});
  abort.abort(new TypeError("gone"));
  await assertRejects(() => call, TypeError, "gone");
  assertEquals(told, [1]);
});

Deno.test("WaitQueue keeps nothing of who has left, but for as many as wait", () => {
  const heap = new DeadlineHeap<Waiter<number>>();
  const queue = new WaitQueue<number>(() => {}, heap);
  queue.add({ startedAt: 0, timeoutMs: 1 }).catch(() => {});
  for (let i = 0; i < 10_000; i++) {
    queue.add(START);
    queue.serve([...queue].at(-1)!, i);
    assert(heap.size <= 64, `${heap.size} deadlines are kept for 1 that waits`);
  }
});
