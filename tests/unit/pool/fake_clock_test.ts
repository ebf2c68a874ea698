import { assertEquals, assertThrows } from "@std/assert";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

Deno.test("FakeClock.advance() runs timers by due time, then by making", async () => {
  const clock = new FakeClock();
  const ran: string[] = [];
  const at = (name: string) => () => ran.push(`${name}@${clock.now()}`);
  clock.setTimer(at("c"), 20);
  clock.setTimer(at("a"), 10);
  clock.setTimer(at("b"), 10);
  clock.setTimer(at("late"), 21);
  await clock.advance(20);
  assertEquals(ran, ["a@10", "b@10", "c@20"]);
  assertEquals([clock.now(), clock.pending, clock.nextInMs], [20, 1, 1]);
});

Deno.test("FakeClock.advance() runs timers that are made on the way", async () => {
  const clock = new FakeClock({ now: 1000 });
  const ran: number[] = [];
  const again = () => {
    ran.push(clock.now());
    clock.setTimer(again, 10);
  };
  clock.setTimer(again, 10);
  await clock.advance(35);
  assertEquals(ran, [1010, 1020, 1030]);
  assertEquals(clock.now(), 1035);
});

Deno.test("FakeClock.advance() drains microtasks between timers", async () => {
  const clock = new FakeClock();
  const ran: string[] = [];
  clock.setTimer(async () => {
    ran.push("one");
    await null;
    await null;
    ran.push("after one");
    clock.setTimer(() => ran.push("between"), 5);
  }, 10);
  clock.setTimer(() => ran.push("two"), 20);
  await clock.advance(20);
  assertEquals(ran, ["one", "after one", "between", "two"]);
});

Deno.test("FakeClock.setTimer() gives timers that can be taken back, twice too", async () => {
  const clock = new FakeClock();
  const ran: string[] = [];
  const first = clock.setTimer(() => ran.push("first"), 10);
  const second = clock.setTimer(() => ran.push("second"), 10);
  first.cancel();
  first.cancel();
  await clock.advance(10);
  second.cancel();
  assertEquals(ran, ["second"]);
  assertThrows(() => clock.setTimer(() => {}, NaN), TypeError);
});

Deno.test("FakeClock.freeze() makes what fell due run late", async () => {
  const clock = new FakeClock();
  const ran: number[] = [];
  clock.setTimer(() => ran.push(clock.now()), 10);
  clock.freeze(5000);
  assertEquals(ran, []);
  await clock.advance(0);
  assertEquals(ran, [5000]);
  assertThrows(() => clock.freeze(-1), RangeError);
});

Deno.test("FakeClock.setWall() moves the wall clock alone", async () => {
  const clock = new FakeClock({ wall: 1_000_000 });
  let ran = 0;
  clock.setTimer(() => ran++, 100);
  clock.setWall(5);
  await clock.advance(99);
  assertEquals([clock.wallNow(), clock.now(), ran], [104, 99, 0]);
  await clock.advance(1);
  assertEquals(ran, 1);
});
