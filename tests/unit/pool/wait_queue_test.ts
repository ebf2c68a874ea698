import { assert, assertEquals, assertRejects } from "@std/assert";
import { DeadlineHeap } from "../../../src/pool/deadline_heap.ts";
import { WaitQueue } from "../../../src/pool/wait_queue.ts";
import { Waiter } from "../../../src/pool/waiter.ts";
import { seededRandom } from "./random.ts";

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

/** How often anything of any waiter is looked at while `act` runs. */
function looksDuring(waiters: Waiter<void>[], act: () => void): number {
  let looks = 0;
  const count = (owner: object, key: string) => {
    const { get, value } = Object.getOwnPropertyDescriptor(owner, key)!;
    Object.defineProperty(owner, key, {
      configurable: true,
      get(this: Waiter<void>) {
        looks++;
        return get === undefined ? known.get(this)![key] : get.call(this);
      },
      ...get !== undefined ? {} : {
        set(this: Waiter<void>, next: unknown) {
          known.get(this)![key] = next;
        },
      },
    });
    return { get, value };
  };
  const known = new Map<Waiter<void>, Record<string, unknown>>();
  for (const waiter of waiters) {
    const { previous, next } = waiter;
    known.set(waiter, { previous, next });
    for (const key of ["previous", "next"]) count(waiter, key);
  }
  const getters = ["deadline", "settled"].map((key) =>
    [key, count(Waiter.prototype, key).get] as const
  );
  try {
    act();
  } finally {
    for (const [key, get] of getters) {
      Object.defineProperty(Waiter.prototype, key, { configurable: true, get });
    }
  }
  return looks;
}

Deno.test("WaitQueue lets each one leave with as few looks at the others, few or many", () => {
  // Counted, not timed. One of many had to look at thousands if it searched for itself.
  for (const count of [100, 10_000]) {
    const random = seededRandom(7);
    const queue = new WaitQueue<void>(() => {});
    const aborts = Array.from({ length: count }, () => new AbortController());
    for (const { signal } of aborts) {
      queue.add({ startedAt: 0, timeoutMs: 1 + random.below(1e6), signal })
        .catch(() => {});
    }
    const looks = looksDuring([...queue], () => {
      while (aborts.length > 0) {
        aborts.splice(random.below(aborts.length), 1)[0]!.abort();
      }
    });
    assertEquals(queue.length, 0);
    assert(looks < 60 * count, `${looks / count} looks for each of ${count}`);
  }
});
