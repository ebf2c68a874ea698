import { assert, assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import {
  type Load,
  type LoadClock,
  type LoadResult,
  runClosedLoop,
  runOpenLoop,
} from "../../../../src/cli/tune/load.ts";
import { FakeClock } from "../../../../src/testing/fake_clock.ts";

/** Time that a turn of the event loop takes, in milliseconds. */
const TURN_MS = 0.05;

function loadClock(clock: FakeClock): LoadClock {
  return {
    now: () => clock.now(),
    pause: (ms) =>
      new Promise((resolve) => void clock.setTimer(resolve, Math.max(TURN_MS, ms))),
  };
}

/** Moves the time on until a load is over. */
async function finish(clock: FakeClock, running: Promise<LoadResult>) {
  let isOver = false;
  const done = running.finally(() => isOver = true);
  while (!isOver) await clock.advance(1);
  return await done;
}

/** A server that answers in order, in 0.1 ms each, and not at all for 100 ms. */
function stallingServer(clock: FakeClock) {
  const [from, until] = [300, 400];
  let freeAt = 0;
  return () =>
    new Promise<void>((resolve) => {
      const start = Math.max(clock.now(), freeAt);
      freeAt = (start >= from && start < until ? until : start) + 0.1;
      clock.setTimer(resolve, freeAt - clock.now());
    });
}

async function stalled(run: (load: Load) => Promise<LoadResult>) {
  const clock = new FakeClock();
  const call = stallingServer(clock);
  return await finish(
    clock,
    run({ call, durationMs: 1000, clock: loadClock(clock) }),
  );
}

Deno.test("runOpenLoop() counts a stall for every command that was due in it", async () => {
  const { calls, errors, latency } = await stalled((load) => runOpenLoop(load, 1000));
  assertEquals([calls, errors, latency.count], [1000, 0, 1000]);
  // A tenth was due in the stall, the first of them 100 ms before its end.
  assertLess(latency.quantile(0.85), 1);
  assertAlmostEquals(latency.quantile(0.95), 55, 10);
  assertAlmostEquals(latency.quantile(0.99), 92, 6);
  assertAlmostEquals(latency.snapshot().maxMs, 100, 1);
});

Deno.test("runOpenLoop() counts from when a command was due, if it is sent late", async () => {
  const clock = new FakeClock();
  const usual = loadClock(clock);
  // The event loop is blocked once, for 100 ms, by something else in the process.
  const blocked: LoadClock = {
    now: usual.now,
    pause: (ms) => {
      const isDue = clock.now() >= 300 && clock.now() < 310;
      return usual.pause(isDue ? 100 : ms);
    },
  };
  const call = () => new Promise<void>((resolve) => void clock.setTimer(resolve, 0.1));
  const load = { call, durationMs: 1000, clock: blocked };
  const { calls, latency } = await finish(clock, runOpenLoop(load, 1000));
  assertEquals(calls, 1000);
  assertLess(latency.quantile(0.85), 1.5);
  assertAlmostEquals(latency.quantile(0.95), 50, 5);
  assertAlmostEquals(latency.snapshot().maxMs, 100, 1);
});

Deno.test("runClosedLoop() sees a stall once a caller, which is what it omits", async () => {
  const { latency } = await stalled((load) => runClosedLoop(load, 1));
  assertAlmostEquals(latency.snapshot().maxMs, 100, 1);
  assertLess(latency.quantile(0.999), 1);
});

Deno.test("runOpenLoop() asks for the rate whether or not the replies keep up", async () => {
  const clock = new FakeClock();
  let freeAt = 0;
  const call = () =>
    new Promise<void>((resolve) => {
      freeAt = Math.max(clock.now(), freeAt) + 2;
      clock.setTimer(resolve, freeAt - clock.now());
    });
  const load = { call, durationMs: 200, clock: loadClock(clock) };
  const { calls, latency, mostPending, seconds } = await finish(
    clock,
    runOpenLoop(load, 1000),
  );
  assertEquals(calls, 200);
  assertAlmostEquals(seconds, 0.4, 0.01);
  assertAlmostEquals(mostPending, 100, 5);
  assertAlmostEquals(latency.snapshot().maxMs, 200, 5);
});

Deno.test("runClosedLoop() gives throughput, latency, and the callers that it had", async () => {
  const clock = new FakeClock();
  let busy = 0;
  let most = 0;
  const call = async () => {
    most = Math.max(most, ++busy);
    await new Promise<void>((resolve) => void clock.setTimer(resolve, 2));
    busy--;
  };
  const load = { call, durationMs: 500, clock: loadClock(clock) };
  const { calls, latency, seconds } = await finish(clock, runClosedLoop(load, 20));
  assertEquals(most, 20);
  assertAlmostEquals(calls / seconds, 10_000, 200);
  assertAlmostEquals(latency.quantile(0.5), 2, 0.05);
  // One call in four is timed.
  assertAlmostEquals(latency.count / calls, 0.25, 0.02);
});

Deno.test("runClosedLoop() counts failures and lets the event loop have its turn", async () => {
  const clock = new FakeClock();
  const call = () => Promise.reject(new Error("the breaker is open"));
  const load = { call, durationMs: 50, clock: loadClock(clock) };
  const { calls, errors, firstError } = await finish(clock, runClosedLoop(load, 2));
  assertEquals([calls, firstError], [0, "the breaker is open"]);
  assert(errors > 50 && errors < 150, `${errors} failures`);
});

Deno.test("both loads end when their signal is aborted", async () => {
  for (
    const run of [
      (load: Load) => runClosedLoop(load, 4),
      (load: Load) => runOpenLoop(load, 100),
    ]
  ) {
    const clock = new FakeClock();
    const controller = new AbortController();
    const call = () => new Promise<void>((resolve) => void clock.setTimer(resolve, 1));
    clock.setTimer(() => controller.abort(), 20);
    const { seconds } = await finish(
      clock,
      run({
        call,
        durationMs: 60_000,
        clock: loadClock(clock),
        signal: controller.signal,
      }),
    );
    assertLess(seconds, 0.05);
  }
});
