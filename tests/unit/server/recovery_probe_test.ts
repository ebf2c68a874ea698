import { assertEquals } from "@std/assert";
import { RecoveryProbe } from "../../../src/server/recovery_probe.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function probeOn(
  clock: FakeClock,
  { intervalMs = 1000, random = () => 0, nextAttemptInMs = () => undefined }: {
    intervalMs?: number;
    random?: () => number;
    nextAttemptInMs?: () => number | undefined;
  } = {},
) {
  const looked: number[] = [];
  const probe = new RecoveryProbe({
    intervalMs,
    nextAttemptInMs,
    look: () => {
      looked.push(clock.now());
      return Promise.resolve();
    },
    clock,
    random,
  });
  return { looked, probe };
}

Deno.test("RecoveryProbe looks each interval as long as the database does not serve fully", async () => {
  const clock = new FakeClock();
  const { looked, probe } = probeOn(clock);
  probe.notice(false);
  probe.notice(false);
  await clock.advance(3500);
  assertEquals(looked, [1000, 2000, 3000]);
  probe.notice(true);
  await clock.advance(5000);
  assertEquals(looked.length, 3);
  probe.notice(false);
  await clock.advance(1000);
  assertEquals(looked.at(-1), 9500);
});

Deno.test("RecoveryProbe waits for an answer before it looks again", async () => {
  const clock = new FakeClock();
  const answers: (() => void)[] = [];
  const probe = new RecoveryProbe({
    intervalMs: 1000,
    nextAttemptInMs: () => undefined,
    look: () => new Promise<void>((resolve) => answers.push(resolve)),
    clock,
    random: () => 0,
  });
  probe.notice(false);
  await clock.advance(5000);
  assertEquals(answers.length, 1);
  answers[0]!();
  await clock.advance(1000);
  assertEquals(answers.length, 2);
});

Deno.test("RecoveryProbe does not look when it is stopped, or has no interval", async () => {
  const clock = new FakeClock();
  const stopped = probeOn(clock);
  stopped.probe.notice(false);
  stopped.probe.stop();
  stopped.probe.notice(false);
  const off = probeOn(clock, { intervalMs: 0 });
  off.probe.notice(false);
  await clock.advance(10_000);
  assertEquals([...stopped.looked, ...off.looked], []);
});

Deno.test("RecoveryProbe looks at a moment of chance, within half an interval", async () => {
  const clock = new FakeClock();
  const numbers = [0, 1, 0.5];
  const { looked, probe } = probeOn(clock, {
    random: () => numbers.shift() ?? 0,
  });
  probe.notice(false);
  await clock.advance(2250);
  probe.stop();
  assertEquals(looked, [1000, 1500, 2250]);
});

Deno.test("RecoveryProbe tries a server that was not reached as soon as it may be, whatever the interval", async () => {
  const clock = new FakeClock();
  let nextAt: number | undefined;
  const { looked, probe } = probeOn(clock, {
    intervalMs: 30_000,
    nextAttemptInMs: () => nextAt === undefined ? undefined : nextAt - clock.now(),
  });
  probe.notice(false);
  await clock.advance(5000);
  assertEquals(looked, []);
  // It turns out not to be reached: the next look is due sooner.
  nextAt = 5200;
  probe.notice(false);
  await clock.advance(100);
  probe.notice(false);
  assertEquals(looked, []);
  await clock.advance(100);
  assertEquals(looked, [5200]);
  // Others make the attempt: it does not look in a hot loop.
  await clock.advance(200);
  assertEquals(looked.length, 5);
  nextAt = undefined;
  probe.notice(true);
  await clock.advance(60_000);
  assertEquals(looked.length, 5);
  probe.stop();
});

Deno.test("RecoveryProbe.suspect() looks once at a server that is held to serve", async () => {
  const clock = new FakeClock();
  const { looked, probe } = probeOn(clock);
  probe.suspect();
  probe.notice(true);
  await clock.advance(10_000);
  assertEquals(looked, [1000]);
});
