import { assertEquals } from "@std/assert";
import { Alarm } from "../../../src/pool/alarm.ts";
import { FakeClock } from "../../support/fake_clock.ts";

Deno.test("Alarm.setBy() rings once, at the earliest time it was asked for", async () => {
  const clock = new FakeClock();
  const rung: number[] = [];
  const alarm = new Alarm(clock, () => rung.push(clock.now()));
  alarm.setBy(Infinity);
  assertEquals(clock.pending, 0);
  alarm.setBy(30);
  alarm.setBy(10);
  alarm.setBy(20);
  assertEquals(clock.pending, 1);
  await clock.advance(100);
  assertEquals(rung, [10]);
  alarm.setBy(110);
  await clock.advance(10);
  assertEquals(rung, [10, 110]);
});

Deno.test("Alarm.setBy() rings no earlier than a deadline between two milliseconds", async () => {
  const clock = new FakeClock();
  const rung: number[] = [];
  const alarm = new Alarm(clock, () => rung.push(clock.now()));
  alarm.setBy(9.3);
  await clock.advance(20);
  assertEquals(rung, [10]);
});

Deno.test("Alarm.cancel() holds back a ring that is waiting for the sockets", async () => {
  const clock = new FakeClock();
  let rung = 0;
  const held: (() => void)[] = [];
  clock.afterPoll = (fn) => void held.push(fn);
  const alarm = new Alarm(clock, () => rung++);
  alarm.setBy(5);
  await clock.advance(5);
  alarm.cancel();
  held.shift()!();
  assertEquals([rung, clock.pending], [0, 0]);
  alarm.setBy(10);
  await clock.advance(5);
  held.shift()!();
  assertEquals(rung, 1);
});
