import { assertEquals } from "@std/assert";
import { RecoveryProbe, isOverOnceAnswered } from "../../../src/health/recovery_probe.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function patrolOn(clock: FakeClock, intervalMs = 1000, random = () => 0) {
  const asked: number[] = [];
  const patrol = new RecoveryProbe({
    intervalMs,
    ask: () => {
      asked.push(clock.now());
      return Promise.resolve();
    },
    clock,
    random,
  });
  return { asked, patrol };
}

Deno.test("RecoveryProbe asks each interval as long as the database does not serve fully", async () => {
  const clock = new FakeClock();
  const { asked, patrol } = patrolOn(clock);
  patrol.notice(false);
  patrol.notice(false);
  await clock.advance(3500);
  assertEquals(asked, [1000, 2000, 3000]);
  patrol.notice(true);
  await clock.advance(5000);
  assertEquals(asked.length, 3);
  patrol.notice(false);
  await clock.advance(1000);
  assertEquals(asked.at(-1), 9500);
});

Deno.test("RecoveryProbe waits for an answer before it asks again", async () => {
  const clock = new FakeClock();
  const answers: (() => void)[] = [];
  const patrol = new RecoveryProbe({
    intervalMs: 1000,
    ask: () => new Promise<void>((resolve) => answers.push(resolve)),
    clock,
    random: () => 0,
  });
  patrol.notice(false);
  await clock.advance(5000);
  assertEquals(answers.length, 1);
  answers[0]!();
  await clock.advance(1000);
  assertEquals(answers.length, 2);
});

Deno.test("RecoveryProbe does not ask when it is stopped, or has no interval", async () => {
  const clock = new FakeClock();
  const stopped = patrolOn(clock);
  stopped.patrol.notice(false);
  stopped.patrol.stop();
  stopped.patrol.notice(false);
  const off = patrolOn(clock, 0);
  off.patrol.notice(false);
  await clock.advance(10_000);
  assertEquals([...stopped.asked, ...off.asked], []);
});

Deno.test("RecoveryProbe asks at a moment of chance, within half an interval", async () => {
  const clock = new FakeClock();
  const numbers = [0, 1, 0.5];
  const { asked, patrol } = patrolOn(clock, 1000, () => numbers.shift() ?? 0);
  patrol.notice(false);
  await clock.advance(2250);
  patrol.stop();
  assertEquals(asked, [1000, 1500, 2250]);
});

Deno.test("an answer ends what a server that was gone did, and not what one that hung did", () => {
  const over = (["refused", "reset"] as const).map(isOverOnceAnswered);
  const not = ([undefined, "timeout", "protocol", "manual"] as const)
    .map(isOverOnceAnswered);
  assertEquals([over, not], [[true, true], [false, false, false, false]]);
});
