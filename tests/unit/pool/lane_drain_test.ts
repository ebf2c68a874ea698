import { assertEquals } from "@std/assert";
import { LaneDrain } from "../../../src/pool/lane_drain.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** A drain that has begun, and how it goes. */
function begin(awaited: number, drainMs = 1000) {
  const clock = new FakeClock();
  const drained = { awaited, isOver: false };
  const isAwaited = () => drained.awaited > 0;
  const drain = new LaneDrain({ isAwaited, pollMs: 10, clock });
  void drain.wait(drainMs).then(() => drained.isOver = true);
  return { clock, drain, drained };
}

Deno.test("LaneDrain.wait() is over at once where nobody waits", async () => {
  const { clock, drained } = begin(0);
  await clock.advance(0);
  assertEquals([drained.isOver, clock.pending], [true, 0]);
});

Deno.test("LaneDrain.wait() notices what was given up, without being told", async () => {
  const { clock, drained } = begin(1);
  await clock.advance(500);
  assertEquals(drained.isOver, false);
  drained.awaited = 0;
  await clock.advance(10);
  assertEquals([drained.isOver, clock.pending], [true, 0]);
});

Deno.test("LaneDrain.end() ends it", async () => {
  const { clock, drain, drained } = begin(1);
  drain.end();
  await clock.advance(0);
  assertEquals([drained.isOver, clock.pending], [true, 0]);
});

Deno.test("LaneDrain.wait() waits no longer than it may", async () => {
  const { clock, drained } = begin(1, 100);
  await clock.advance(99);
  assertEquals(drained.isOver, false);
  await clock.advance(1);
  assertEquals([drained.isOver, clock.pending], [true, 0]);
});
