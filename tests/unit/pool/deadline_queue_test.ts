import { assert, assertEquals } from "@std/assert";
import { DeadlineQueue } from "../../../src/pool/wait_queue.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { seededRandom } from "./random.ts";

class Entry {
  settled = false;
  constructor(readonly deadline: number) {}
}

/** A queue on fake time, and what it called back with: the time and the deadlines. */
function setUp() {
  const clock = new FakeClock();
  const expired: [at: number, deadlines: number[]][] = [];
  const queue = new DeadlineQueue<Entry>(clock, (entries, now) => {
    assertEquals(now, clock.now());
    expired.push([now, entries.map(({ deadline }) => deadline)]);
    for (const entry of entries) entry.settled = true;
  });
  const push = (...deadlines: number[]) =>
    deadlines.map((deadline) => {
      const entry = new Entry(deadline);
      queue.push(entry);
      return entry;
    });
  return { clock, expired, queue, push };
}

Deno.test("DeadlineQueue calls back at each deadline, with one timer for the earliest", async () => {
  const { clock, expired, push } = setUp();
  push(Infinity);
  assertEquals(clock.pending, 0);
  push(30, 10, 20, 10);
  assertEquals(clock.pending, 1);
  await clock.advance(100);
  assertEquals(expired, [[10, [10, 10]], [20, [20]], [30, [30]]]);
  push(110);
  await clock.advance(10);
  assertEquals([expired[3], clock.pending], [[110, [110]], 0]);
});

Deno.test("DeadlineQueue calls back no earlier than a deadline between two milliseconds", async () => {
  const { clock, expired, push } = setUp();
  push(9.3);
  await clock.advance(20);
  assertEquals(expired, [[10, [9.3]]]);
});

Deno.test("DeadlineQueue reads the sockets before it judges deadlines, and sets no timer for settled entries", async () => {
  const { clock, expired, push } = setUp();
  const held: (() => void)[] = [];
  clock.afterPoll = (fn) => void held.push(fn);
  const [first, second] = push(5, 20, 30);
  await clock.advance(10);
  // It was answered by what had arrived.
  first!.settled = true;
  second!.settled = true;
  held.shift()!();
  assertEquals([expired, clock.nextInMs], [[], 20]);
  await clock.advance(20);
  held.shift()!();
  assertEquals([expired, clock.pending], [[[30, [30]]], 0]);
});

Deno.test("DeadlineQueue.clear() also drops a timer that has fired and waits for the sockets", async () => {
  const { clock, expired, push, queue } = setUp();
  const held: (() => void)[] = [];
  clock.afterPoll = (fn) => void held.push(fn);
  push(5);
  await clock.advance(5);
  queue.clear();
  push(10);
  held.shift()!();
  assertEquals([expired, queue.size], [[], 1]);
  await clock.advance(5);
  held.shift()!();
  assertEquals(expired, [[10, [10]]]);
  push(100);
  queue.clear();
  assertEquals([queue.size, clock.pending], [0, 0]);
});

Deno.test("DeadlineQueue expires what is due and not settled, in order, in 20,000 random steps", async () => {
  const random = seededRandom(7);
  const { clock, expired, push, queue } = setUp();
  const waiting = new Set<Entry>();
  for (let step = 0; step < 20_000; step++) {
    const choice = random.next();
    if (choice < 0.5 || waiting.size === 0) {
      waiting.add(push(clock.now() + 1 + random.below(1000))[0]!);
    } else if (choice < 0.9) {
      const entry = random.pick([...waiting])!;
      waiting.delete(entry);
      entry.settled = true;
      queue.compact(waiting.size);
    } else {
      const until = clock.now() + random.below(50);
      const due = [...waiting].filter(({ deadline }) => deadline <= until);
      for (const entry of due) waiting.delete(entry);
      await clock.advance(until - clock.now());
      const deadlines = due.map(({ deadline }) => deadline).sort((a, b) => a - b);
      assertEquals(expired.splice(0).flatMap(([, each]) => each), deadlines);
    }
  }
});

Deno.test("DeadlineQueue keeps at most twice what waits, however many were settled", () => {
  const { push, queue } = setUp();
  // The earliest stays, so that nothing is dropped because it comes up.
  push(0);
  for (let i = 1; i <= 100_000; i++) {
    push(i)[0]!.settled = true;
    queue.compact(1);
    assert(queue.size <= 64, `${queue.size} entries for 1 that waits`);
  }
});
