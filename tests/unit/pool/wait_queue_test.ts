import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Linked,
  LinkedList,
  type Waiter,
  WaitQueue,
  type WaitQueueOptions,
} from "../../../src/pool/wait_queue.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { seededRandom } from "./random.ts";

const START = { startedAt: 0, timeoutMs: 1000 };

class Member implements Linked<Member> {
  previous: Member | undefined;
  next: Member | undefined;
  constructor(readonly name: string) {}
}

function members(...names: string[]): Member[] {
  return names.map((name) => new Member(name));
}

function namesOf(list: LinkedList<Member>): string {
  return [...list].map(({ name }) => name).join("");
}

Deno.test("LinkedList.remove() takes members out at either end and in between", () => {
  const [a, b, c, d] = members("a", "b", "c", "d");
  const list = new LinkedList<Member>();
  for (const member of [a!, b!, c!, d!]) list.push(member);
  assertEquals([namesOf(list), list.length], ["abcd", 4]);
  list.remove(b!);
  assertEquals(namesOf(list), "acd");
  list.remove(a!);
  assertEquals([list.head, list.tail], [c, d]);
  list.remove(d!);
  assertEquals([list.head, list.tail, list.length], [c, c, 1]);
  list.remove(c!);
  assertEquals([list.head, list.tail, list.length], [undefined, undefined, 0]);
  list.push(b!);
  list.push(a!);
  assertEquals(namesOf(list), "ba");
});

Deno.test("LinkedList lets the current member be removed during an iteration", () => {
  const list = new LinkedList<Member>();
  for (const member of members("a", "b", "c")) list.push(member);
  const seen: string[] = [];
  for (const member of list) {
    seen.push(member.name);
    list.remove(member);
  }
  assertEquals([seen.join(""), list.length], ["abc", 0]);
});

function makeQueue<T = string>(options: Omit<WaitQueueOptions<T>, "clock"> = {}) {
  const clock = new FakeClock();
  return { clock, queue: new WaitQueue<T>({ clock, ...options }) };
}

Deno.test("WaitQueue keeps the order, whoever leaves", async () => {
  const { queue } = makeQueue();
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

Deno.test("WaitQueue fails callers who have waited for too long, the earliest first", async () => {
  const failed: string[] = [];
  const { clock, queue } = makeQueue({
    timeoutError: (timeoutMs, now) => {
      failed.push(`${timeoutMs} at ${now}, of ${queue.length}`);
      return new TypeError(`late by ${timeoutMs}`);
    },
  });
  const timeouts = [500, 100, undefined, 300, 300, Infinity];
  const calls = timeouts.map((timeoutMs) => queue.add({ startedAt: 10, timeoutMs }));
  const rejected = Promise.all(
    [1, 3].map((i) => assertRejects(() => calls[i]!, TypeError, "late by")),
  );
  calls[4]!.catch(() => {});
  await clock.advance(400);
  await rejected;
  assertEquals(failed, [
    "100 at 110, of 6",
    "300 at 310, of 5",
    "300 at 310, of 4",
  ]);
  queue.serve(queue.head!, "served");
  await clock.advance(10_000);
  assertEquals([await calls[0], queue.length, clock.pending], ["served", 2, 0]);
});

Deno.test("WaitQueue.serveAll() and failAll() leave no caller and no timer", async () => {
  const { clock, queue } = makeQueue();
  const served = [queue.add(START), queue.add(START)];
  queue.serveAll("now");
  assertEquals(await Promise.all(served), ["now", "now"]);
  const failed = [queue.add(START), queue.add(START)];
  let made = 0;
  queue.failAll(() => new TypeError(`error ${++made}`));
  await assertRejects(() => failed[0]!, TypeError, "error 1");
  await assertRejects(() => failed[1]!, TypeError, "error 2");
  assertEquals([queue.length, queue.deadlines, clock.pending], [0, 0, 0]);
});

Deno.test("WaitQueue ends a wait when its signal aborts, and calls back afterwards", async () => {
  const lengths: number[] = [];
  const { queue } = makeQueue({ aborted: () => lengths.push(queue.length) });
  const abort = new AbortController();
  const call = queue.add({ ...START, signal: abort.signal });
  queue.add(START).catch(() => {});
  abort.abort(new TypeError("gone"));
  await assertRejects(() => call, TypeError, "gone");
  assertEquals(lengths, [1]);
});

Deno.test("WaitQueue ends all waits of a signal that aborts, and no others", async () => {
  const { queue } = makeQueue<number>();
  const [one, two] = [new AbortController(), new AbortController()];
  const calls = [one, one, one, two].map(({ signal }) =>
    queue.add({ ...START, signal }).catch((reason) => reason)
  );
  queue.serve([...queue][1]!, 1);
  one.abort("enough");
  assertEquals(await Promise.all(calls.slice(0, 3)), ["enough", 1, "enough"]);
  assertEquals(queue.length, 1);
  queue.serve(queue.head!, 4);
  two.abort("too late");
  assertEquals(await calls[3], 4);
});

Deno.test("WaitQueue puts one listener on a signal, and none when no caller is left", () => {
  const { queue } = makeQueue<number>();
  const { signal } = new AbortController();
  const calls: string[] = [];
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    calls.push("add");
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    calls.push("remove");
    removeEventListener.apply(signal, args);
  };
  for (let i = 0; i < 1000; i++) void queue.add({ ...START, signal });
  for (const waiter of queue) queue.serve(waiter, 1);
  assertEquals(calls, ["add", "remove"]);
});

Deno.test("WaitQueue takes its listener off a signal that aborted", async () => {
  const { queue } = makeQueue();
  const controller = new AbortController();
  const removed: string[] = [];
  controller.signal.removeEventListener = (type: string) => void removed.push(type);
  const waits = [1, 2].map(() => queue.add({ ...START, signal: controller.signal }));
  controller.abort(new Error("enough"));
  for (const wait of waits) await assertRejects(() => wait, Error, "enough");
  // Else Deno keeps the process alive for the other sources of a combined signal.
  assertEquals(removed, ["abort"]);
});

Deno.test("WaitQueue keeps no deadlines of callers who have left, but for as many as wait", () => {
  const { queue } = makeQueue<number>();
  queue.add({ startedAt: 0, timeoutMs: 1 }).catch(() => {});
  for (let i = 0; i < 10_000; i++) {
    queue.add(START);
    queue.serve([...queue].at(-1)!, i);
    assert(queue.deadlines <= 64, `${queue.deadlines} deadlines for 1 that waits`);
  }
});

/** How often anything of any waiter is looked at while `act` runs. */
function looksDuring(waiters: Waiter<void>[], act: () => void): number {
  let looks = 0;
  for (const waiter of waiters) {
    for (const key of ["previous", "next", "deadline", "options"] as const) {
      let value: unknown = waiter[key];
      Object.defineProperty(waiter, key, {
        get: () => (looks++, value),
        set: (next) => value = next,
      });
    }
  }
  act();
  return looks;
}

Deno.test("WaitQueue lets each one leave with as few looks at the others, few or many", () => {
  // Counted, not timed. One of many had to look at thousands if it searched for itself.
  for (const count of [100, 10_000]) {
    const random = seededRandom(7);
    const { queue } = makeQueue<void>();
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
