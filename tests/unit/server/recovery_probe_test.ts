import { assertEquals } from "@std/assert";
import { RecoveryProbe } from "../../../src/server/probe.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

function probeOn(
  clock: FakeClock,
  { intervalMs = 1000, random = () => 0, nextAttemptInMs = () => undefined }: {
    intervalMs?: number;
    random?: () => number;
    nextAttemptInMs?: () => number | undefined;
  } = {},
) {
  const checked: number[] = [];
  const probe = new RecoveryProbe({
    intervalMs,
    nextAttemptInMs,
    check: () => {
      checked.push(clock.now());
      return Promise.resolve();
    },
    clock,
    random,
  });
  return { checked, probe };
}

Deno.test("RecoveryProbe checks once per interval while the server is not healthy", async () => {
  const clock = new FakeClock();
  const { checked, probe } = probeOn(clock);
  probe.update(false);
  probe.update(false);
  await clock.advance(3500);
  assertEquals(checked, [1000, 2000, 3000]);
  probe.update(true);
  await clock.advance(5000);
  assertEquals(checked.length, 3);
  probe.update(false);
  await clock.advance(1000);
  assertEquals(checked.at(-1), 9500);
});

Deno.test("RecoveryProbe waits for an answer before it checks again", async () => {
  const clock = new FakeClock();
  const answers: (() => void)[] = [];
  const probe = new RecoveryProbe({
    intervalMs: 1000,
    nextAttemptInMs: () => undefined,
    check: () => new Promise<void>((resolve) => answers.push(resolve)),
    clock,
    random: () => 0,
  });
  probe.update(false);
  await clock.advance(5000);
  assertEquals(answers.length, 1);
  answers[0]!();
  await clock.advance(1000);
  assertEquals(answers.length, 2);
});

Deno.test("RecoveryProbe does not check when it is stopped, or has no interval", async () => {
  const clock = new FakeClock();
  const stopped = probeOn(clock);
  stopped.probe.update(false);
  stopped.probe.stop();
  stopped.probe.update(false);
  const off = probeOn(clock, { intervalMs: 0 });
  off.probe.update(false);
  await clock.advance(10_000);
  assertEquals([...stopped.checked, ...off.checked], []);
});

Deno.test("RecoveryProbe checks at a random moment of the second half of the interval", async () => {
  const clock = new FakeClock();
  const numbers = [0, 1, 0.5];
  const { checked, probe } = probeOn(clock, {
    random: () => numbers.shift() ?? 0,
  });
  probe.update(false);
  await clock.advance(2250);
  probe.stop();
  assertEquals(checked, [1000, 1500, 2250]);
});

Deno.test("RecoveryProbe tries a server that was not reached as soon as it may be, whatever the interval", async () => {
  const clock = new FakeClock();
  let nextAt: number | undefined;
  const { checked, probe } = probeOn(clock, {
    intervalMs: 30_000,
    nextAttemptInMs: () => nextAt === undefined ? undefined : nextAt - clock.now(),
  });
  probe.update(false);
  await clock.advance(5000);
  assertEquals(checked, []);
  // It turns out not to be reached: the next check is due sooner.
  nextAt = 5200;
  probe.update(false);
  await clock.advance(100);
  probe.update(false);
  assertEquals(checked, []);
  await clock.advance(100);
  assertEquals(checked, [5200]);
  // Others make the attempt: it does not check in a hot loop.
  await clock.advance(200);
  assertEquals(checked.length, 5);
  nextAt = undefined;
  probe.update(true);
  await clock.advance(60_000);
  assertEquals(checked.length, 5);
  probe.stop();
});

Deno.test("RecoveryProbe.checkOnce() checks a healthy server once", async () => {
  const clock = new FakeClock();
  const { checked, probe } = probeOn(clock);
  probe.checkOnce();
  probe.update(true);
  await clock.advance(10_000);
  assertEquals(checked, [1000]);
});
