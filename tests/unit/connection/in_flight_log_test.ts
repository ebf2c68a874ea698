import { assertEquals } from "@std/assert";
import { InFlightLog } from "../../../src/connection/in_flight.ts";

/** Settles and tells which send times were met. */
function settle(log: InFlightLog, count: number): [number, number][] {
  const met: [number, number][] = [];
  log.settle(count, (sentAt, n) => met.push([sentAt, n]));
  return met;
}

Deno.test("InFlightLog.settle() passes each tick's send time with the number of its answers", () => {
  const log = new InFlightLog();
  log.beginTick(10);
  log.add();
  log.add();
  log.beginTick(20);
  log.add();
  assertEquals(log.total, 3);
  assertEquals(settle(log, 1), [[10, 1]]);
  assertEquals(settle(log, 2), [[10, 1], [20, 1]]);
  assertEquals(log.total, 0);
});

Deno.test("InFlightLog.oldest is the send time of the oldest command in flight", () => {
  const log = new InFlightLog();
  assertEquals(log.oldest, NaN);
  log.beginTick(10);
  log.add();
  log.beginTick(20);
  log.add();
  assertEquals(log.oldest, 10);
  settle(log, 1);
  assertEquals(log.oldest, 20);
  settle(log, 1);
  assertEquals(log.oldest, NaN);
});

Deno.test("InFlightLog continues a tick whose commands were all settled", () => {
  const log = new InFlightLog();
  log.beginTick(10);
  log.add();
  settle(log, 1);
  log.add();
  assertEquals(settle(log, 1), [[10, 1]]);
  log.beginTick(30);
  log.add();
  assertEquals(settle(log, 1), [[30, 1]]);
});

Deno.test("InFlightLog equals a plain list over random ticks and chunks", () => {
  let seed = 7;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  const log = new InFlightLog();
  const model: number[] = [];
  for (let now = 1; now < 20_000; now++) {
    log.beginTick(now);
    for (let i = Math.floor(random() * 5); i > 0; i--) {
      log.add();
      model.push(now);
    }
    // Slower than it is sent at first, so that the ring has to grow; then it drains.
    const share = now < 10_000 ? 0.0005 : 0.01;
    const count = Math.floor(random() * model.length * share);
    const times = settle(log, count).flatMap(([t, n]) => Array(n).fill(t));
    assertEquals(times, model.splice(0, count));
    assertEquals(log.total, model.length);
    assertEquals(log.oldest, model[0] ?? NaN);
    if (now % 500 === 0) assertEquals([...log.times()], model);
  }
});
