import { assertEquals } from "@std/assert";
import { IdleDetector, LivenessCheck } from "../../../src/connection/liveness.ts";
import type { PendingCommand } from "../../../src/connection/pending_command.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

function command(kind: string, settled = false): PendingCommand {
  return { tracking: { info: { class: kind }, settled } } as unknown as PendingCommand;
}

Deno.test("IdleDetector.needsCheck() is true after a second of silence", () => {
  const watch = new IdleDetector(new FakeClock());
  assertEquals(watch.needsCheck(999, 0), false);
  assertEquals(watch.needsCheck(1000, 0), true);
});

Deno.test("IdleDetector.needsCheck() is true once when the wall clock jumps, either way", async () => {
  const clock = new FakeClock();
  const watch = new IdleDetector(clock);
  await clock.advance(500);
  assertEquals(watch.needsCheck(clock.now(), clock.now()), false);
  for (const jump of [3_600_000, -7_200_000]) {
    // The machine slept: monotonic time did not go on.
    clock.setWall(clock.wallNow() + jump);
    assertEquals(watch.needsCheck(clock.now(), clock.now()), true);
    assertEquals(watch.needsCheck(clock.now(), clock.now()), false);
  }
});

Deno.test("LivenessCheck.admits() admits reads until the first other command, then nothing", () => {
  const doubt = new LivenessCheck(new FakeClock(), 100, () => {});
  const [read, write, late] = [command("read"), command("write"), command("read")];
  assertEquals([read, write, late].map((each) => doubt.admits(each)), [
    true,
    false,
    false,
  ]);
  assertEquals(doubt.end(), [write, late]);
});

Deno.test("LivenessCheck.admits() holds back a blocking command, even if it reads", () => {
  const doubt = new LivenessCheck(new FakeClock(), 100, () => {});
  assertEquals(doubt.admits(command("blocking")), false);
  doubt.end();
});

Deno.test("LivenessCheck.end() returns no settled command", () => {
  const doubt = new LivenessCheck(new FakeClock(), 100, () => {});
  doubt.admits(command("write", true));
  assertEquals([doubt.held.length, doubt.end().length], [1, 0]);
});

Deno.test("LivenessCheck reports a dead connection once when its time is over, and not after end()", async () => {
  const clock = new FakeClock();
  let deaths = 0;
  new LivenessCheck(clock, 100, () => deaths++);
  const ended = new LivenessCheck(clock, 100, () => deaths++);
  ended.end();
  await clock.advance(99);
  assertEquals(deaths, 0);
  await clock.advance(1);
  assertEquals([deaths, clock.pending], [1, 0]);
});
