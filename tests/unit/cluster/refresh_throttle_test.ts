import { assertEquals } from "@std/assert";
import { RefreshGate } from "../../../src/cluster/refresh_gate.ts";
import { drainMicrotasks, FakeClock } from "../../support/fake_clock.ts";

/** A gate of 100 ms whose refreshes end when the test says so. */
function makeGate() {
  const clock = new FakeClock();
  const runs: (PromiseWithResolvers<void> & { signal: AbortSignal })[] = [];
  const gate = new RefreshGate({
    clock,
    minGapMs: 100,
    refresh: (signal) => {
      const run = Promise.withResolvers<void>();
      runs.push({ ...run, signal });
      return run.promise;
    },
  });
  return { clock, gate, runs };
}

Deno.test("RefreshGate asks at once, and once for many that ask together", () => {
  const { gate, runs } = makeGate();
  assertEquals(runs.length, 0);
  for (let i = 0; i < 100; i++) gate.request();
  assertEquals(runs.length, 1);
});

Deno.test("RefreshGate asks once more for what came while it asked, after the gap", async () => {
  const { clock, gate, runs } = makeGate();
  for (let i = 0; i < 3; i++) gate.request();
  await clock.advance(30);
  runs[0]!.resolve();
  await drainMicrotasks();
  await clock.advance(69);
  assertEquals(runs.length, 1);
  await clock.advance(1);
  assertEquals(runs.length, 2);
  runs[1]!.resolve();
  await clock.advance(1000);
  assertEquals([runs.length, clock.pending], [2, 0]);
});

Deno.test("RefreshGate never asks twice at a time, however long one takes", async () => {
  const { clock, gate, runs } = makeGate();
  gate.request();
  await clock.advance(5000);
  gate.request();
  await clock.advance(5000);
  assertEquals(runs.length, 1);
  runs[0]!.resolve();
  await drainMicrotasks();
  assertEquals(runs.length, 2);
});

Deno.test("RefreshGate holds back one that comes too soon after the last", async () => {
  const { clock, gate, runs } = makeGate();
  gate.request();
  runs[0]!.resolve();
  await drainMicrotasks();
  gate.request();
  gate.request();
  await clock.advance(99);
  assertEquals(runs.length, 1);
  await clock.advance(1);
  assertEquals(runs.length, 2);
});

Deno.test("RefreshGate asks again after a refresh that failed", async () => {
  const { clock, gate, runs } = makeGate();
  gate.request();
  runs[0]!.reject(new Error("nobody answers"));
  await drainMicrotasks();
  assertEquals(runs.length, 1);
  await clock.advance(100);
  gate.request();
  assertEquals(runs.length, 2);
});

Deno.test("RefreshGate.close() ends what is under way or waits, and asks no more", async () => {
  const running = makeGate();
  running.gate.request();
  running.gate.request();
  running.gate.close();
  assertEquals(running.runs[0]!.signal.aborted, true);
  running.runs[0]!.resolve();
  await running.clock.advance(1000);
  running.gate.request();
  assertEquals(running.runs.length, 1);

  const pausing = makeGate();
  pausing.gate.request();
  pausing.runs[0]!.resolve();
  await drainMicrotasks();
  pausing.gate.request();
  pausing.gate.close();
  assertEquals(pausing.clock.pending, 0);
  await pausing.clock.advance(1000);
  assertEquals(pausing.runs.length, 1);
});
