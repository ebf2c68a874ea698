import { assert, assertEquals, assertThrows } from "@std/assert";
import { delay } from "../../../src/testing/wait.ts";
import {
  assertTook,
  LATE_FACTOR,
  loadFactor,
  Stopwatch,
  timed,
} from "../../support/stopwatch.ts";

Deno.test("assertTook() holds a time to its bounds, the upper one longer where the process was late", () => {
  assertTook({ ms: 100, lateMs: 0 }, { least: 90, most: 110 }, "it", 1);
  assertTook({ ms: 109 + LATE_FACTOR * 50, lateMs: 50 }, { most: 110 }, "it", 1);
  assertTook({ ms: 219, lateMs: 0 }, { most: 110 }, "it", 2);
  assertTook({ ms: 80, lateMs: 10 }, { least: 90 });
  const early = { ms: 89, lateMs: 0.5 };
  assertThrows(() => assertTook(early, { least: 90 }, "a wait"), Error, "a wait took 89");
  const idle = { ms: 111, lateMs: 0 };
  assertThrows(
    () => assertTook(idle, { most: 110 }, "it", 1),
    Error,
    "out of -Infinity to 110 ms",
  );
  const late = { ms: 111 + LATE_FACTOR * 50, lateMs: 50 };
  assertThrows(() => assertTook(late, { most: 110 }, "it", 1), Error, "for 50.0 ms");
  assert(loadFactor() >= 1.5);
});

Deno.test("Stopwatch.read() adds up how late its looks are, the one that is due included", () => {
  let now = 1000;
  using watch = new Stopwatch(() => now);
  const pass = (ms: number) => {
    now += ms;
    watch.look();
  };
  pass(10);
  pass(11);
  assertEquals(watch.read(), { ms: 21, lateMs: 0 });
  pass(40);
  pass(10);
  pass(25);
  assertEquals(watch.read(), { ms: 96, lateMs: 45 });
  const then = watch.read();
  now += 60;
  assertEquals(watch.read(), { ms: 156, lateMs: 95 });
  assertEquals(watch.since(then), { ms: 60, lateMs: 50 });
});

Deno.test("Stopwatch.assertWithin() fails where an idle process waits for too long", () => {
  let now = 0;
  using watch = new Stopwatch(() => now);
  for (; now < 1_000_000; now += 10) watch.look();
  const error = assertThrows(() => watch.assertWithin({ most: 390 }, "a wait"), Error);
  assert(
    error.message.startsWith("a wait took 1000000.0 ms, out of -Infinity to 390"),
    error.message,
  );
});

Deno.test("Stopwatch.assertWithin() allows for a process that is kept busy", () => {
  using watch = new Stopwatch();
  const until = performance.now() + 300;
  while (performance.now() < until) continue;
  assert(watch.assertWithin({ most: 20 }).ms >= 300);
});

Deno.test("timed() gives what a promise settled with, and never rejects", async () => {
  const failure = new Error("no");
  assertEquals((await timed(Promise.resolve(7))).value, 7);
  const { promise, reject } = Promise.withResolvers<void>();
  // The wait begins after the stopwatch: a busy machine may stop this process in between.
  const timing = timed(promise);
  await delay(20);
  reject(failure);
  const { error, ms, value } = await timing;
  assertEquals([error, value], [failure, undefined]);
  assert(ms >= 19, String(ms));
});
