import { assertEquals } from "@std/assert";
import { Doubt, QuietWatch } from "../../../src/connection/doubt.ts";
import type { TrackedCommand } from "../../../src/connection/tracked.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function command(kind: string, settled = false): TrackedCommand {
  return { tracking: { info: { class: kind }, settled } } as unknown as TrackedCommand;
}

Deno.test("QuietWatch.isDoubtful() says yes after a second of silence", () => {
  const watch = new QuietWatch(new FakeClock());
  assertEquals(watch.isDoubtful(999, 0), false);
  assertEquals(watch.isDoubtful(1000, 0), true);
});

Deno.test("QuietWatch.isDoubtful() says yes once when the wall clock jumps, either way", async () => {
  const clock = new FakeClock();
  const watch = new QuietWatch(clock);
  await clock.advance(500);
  assertEquals(watch.isDoubtful(clock.now(), clock.now()), false);
  for (const jump of [3_600_000, -7_200_000]) {
    // The machine slept: monotonic time did not go on.
    clock.setWall(clock.wallNow() + jump);
    assertEquals(watch.isDoubtful(clock.now(), clock.now()), true);
    assertEquals(watch.isDoubtful(clock.now(), clock.now()), false);
  }
});

Deno.test("Doubt.lets() passes reads until the first other command, then nothing", () => {
  const doubt = new Doubt(new FakeClock(), 100, () => {});
  const [read, write, late] = [command("read"), command("write"), command("read")];
  assertEquals([read, write, late].map((each) => doubt.lets(each)), [true, false, false]);
  assertEquals(doubt.end(), [write, late]);
});

Deno.test("Doubt.lets() holds back what may block, though it reads", () => {
  const doubt = new Doubt(new FakeClock(), 100, () => {});
  assertEquals(doubt.lets(command("blocking")), false);
  doubt.end();
});

Deno.test("Doubt.end() gives no command that has been settled", () => {
  const doubt = new Doubt(new FakeClock(), 100, () => {});
  doubt.lets(command("write", true));
  assertEquals([doubt.held.length, doubt.end().length], [1, 0]);
});

Deno.test("Doubt reports death once when its time is over, and not after end()", async () => {
  const clock = new FakeClock();
  let deaths = 0;
  new Doubt(clock, 100, () => deaths++);
  const ended = new Doubt(clock, 100, () => deaths++);
  ended.end();
  await clock.advance(99);
  assertEquals(deaths, 0);
  await clock.advance(1);
  assertEquals([deaths, clock.pending], [1, 0]);
});
