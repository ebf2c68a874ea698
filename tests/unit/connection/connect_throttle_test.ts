import { assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { takeHostTime } from "../../../bench/simulation/host_time.ts";
import { SimClock } from "../../../bench/simulation/sim_clock.ts";
import { ConnectThrottle } from "../../../src/connection/connect_throttle.ts";
import { drainMicrotasks, FakeClock } from "../../../src/testing/fake_clock.ts";

const { signal } = new AbortController();

/** Attempts that end when they are told to. */
class Attempts {
  running = 0;
  readonly #ends: PromiseWithResolvers<string>[] = [];

  readonly make = async (): Promise<string> => {
    const end = Promise.withResolvers<string>();
    this.#ends.push(end);
    this.running++;
    try {
      return await end.promise;
    } finally {
      this.running--;
    }
  };

  succeed(): void {
    this.#ends.shift()!.resolve("open");
  }
}

async function sicken(throttle: ConnectThrottle): Promise<void> {
  await assertRejects(() => throttle.pass(() => Promise.reject(new Error("no")), signal));
}

Deno.test("ConnectThrottle.pass() admits all attempts while the server is reached", async () => {
  const throttle = new ConnectThrottle({ clock: new FakeClock() });
  const attempts = new Attempts();
  const passing = [1, 2, 3].map(() => throttle.pass(attempts.make, signal));
  await drainMicrotasks();
  assertEquals(attempts.running, 3);
  for (let i = 0; i < 3; i++) attempts.succeed();
  assertEquals(await Promise.all(passing), ["open", "open", "open"]);
});

Deno.test("ConnectThrottle.pass() makes one attempt at a time after a failure, and admits all once one succeeds", async () => {
  const clock = new FakeClock();
  let reached = 0;
  const throttle = new ConnectThrottle({ clock });
  throttle.reached.addEventListener("abort", () => reached++);
  await sicken(throttle);
  assertEquals([throttle.isUnreachable, throttle.isTrying], [true, false]);
  await clock.advance(1000);
  assertEquals(throttle.nextInMs, 0);
  const attempts = new Attempts();
  const passing = [1, 2, 3].map(() => throttle.pass(attempts.make, signal));
  await drainMicrotasks();
  assertEquals([attempts.running, throttle.isTrying, reached], [1, true, 0]);
  attempts.succeed();
  await drainMicrotasks();
  assertEquals([attempts.running, throttle.isUnreachable, reached], [2, false, 1]);
  attempts.succeed();
  attempts.succeed();
  await Promise.all(passing);
  assertEquals([throttle.isTrying, throttle.nextInMs, reached], [false, 0, 1]);
});

/** When attempts that all fail begin, in milliseconds after the first. */
async function startsOfFailures(
  forMs: number,
  options: { random: number; maxMs?: number; isAnswer?: () => boolean },
): Promise<number[]> {
  const clock = new SimClock();
  const { random, ...others } = options;
  using _host = takeHostTime(clock, () => random);
  const throttle = new ConnectThrottle({ clock, random: () => random, ...others });
  const stop = new AbortController();
  const starts: number[] = [];
  const attempts = (async () => {
    while (!stop.signal.aborted) {
      await throttle.pass(() => {
        starts.push(clock.now());
        return Promise.reject(new Error("no"));
      }, stop.signal).catch(() => {});
    }
  })();
  await clock.runUntil(forMs);
  stop.abort();
  await clock.runUntil(forMs + 10_000);
  await attempts;
  return starts;
}

Deno.test("ConnectThrottle.pass() waits longer as the outage lasts", async () => {
  const starts = await startsOfFailures(1_200_000, { random: 0 });
  const gapAt = (ms: number) => {
    const next = starts.findIndex((start) => start > ms);
    return starts[next]! - starts[next - 1]!;
  };
  assertEquals(starts.slice(0, 3), [0, 200, 400]);
  assertLessOrEqual(gapAt(10_000), 800);
  assertLessOrEqual(gapAt(60_000), 1650);
  assertEquals(gapAt(1_000_000), 4000);
  const jittered = await startsOfFailures(1_200_000, { random: 1 });
  assertEquals(jittered.slice(0, 3), [0, 100, 200]);
  // An attempt in 2 s is the most that a server which stays away costs.
  const late = jittered.filter((start) => start > 1_000_000);
  assertLessOrEqual(late.length, 101);
});

Deno.test("ConnectThrottle.pass() waits no longer than its limit, and not longer each time if the server answers", async () => {
  const quick = await startsOfFailures(60_000, { random: 0, maxMs: 300 });
  assertEquals(quick.at(-1)! - quick.at(-2)!, 300);
  const refused = await startsOfFailures(60_000, { random: 0, isAnswer: () => true });
  assertEquals(refused.at(-1)! - refused.at(-2)!, 200);
});

Deno.test("an aborted attempt does not count as a failure of the server", async () => {
  const throttle = new ConnectThrottle({ clock: new FakeClock() });
  const stop = new AbortController();
  const passing = throttle.pass(() => {
    stop.abort(new Error("given up"));
    return Promise.reject(stop.signal.reason);
  }, stop.signal);
  await assertRejects(() => passing, Error, "given up");
  assertEquals([throttle.isUnreachable, throttle.nextInMs], [false, 0]);
});

Deno.test("ConnectThrottle.pass() admits the next attempt when a waiting one is aborted", async () => {
  const clock = new FakeClock();
  const throttle = new ConnectThrottle({ clock });
  await sicken(throttle);
  await clock.advance(1000);
  const attempts = new Attempts();
  const first = throttle.pass(attempts.make, signal);
  const stop = new AbortController();
  const second = throttle.pass(attempts.make, stop.signal);
  const third = throttle.pass(attempts.make, signal);
  stop.abort(new Error("given up"));
  await drainMicrotasks();
  attempts.succeed();
  await first;
  await assertRejects(() => second, Error, "given up");
  await drainMicrotasks();
  attempts.succeed();
  assertEquals(await third, "open");
});

/** When three attempts in a row began that followed a loss, in milliseconds after it. */
async function startsAfterLoss(random: number, hadAnswered: boolean): Promise<number[]> {
  const clock = new SimClock();
  using _host = takeHostTime(clock, () => random);
  const throttle = new ConnectThrottle({ clock, random: () => random });
  const starts: number[] = [];
  throttle.lost(hadAnswered);
  const attempts = (async () => {
    for (let n = 0; n < 3; n++) {
      await throttle.pass(() => Promise.resolve(starts.push(clock.now())), signal);
    }
  })();
  await clock.runUntil(1000);
  await attempts;
  return starts;
}

Deno.test("ConnectThrottle.pass() waits after a connection that answered nothing", async () => {
  assertEquals(await startsAfterLoss(0, false), [0, 200, 400]);
  assertEquals(await startsAfterLoss(1, false), [0, 100, 200]);
});

Deno.test("ConnectThrottle.pass() admits all after the loss of a connection that had answered", async () => {
  assertEquals(await startsAfterLoss(0, true), [0, 0, 0]);
});

Deno.test("ConnectThrottle.pass() admits all again when no connection was lost for a while", async () => {
  const clock = new FakeClock();
  const throttle = new ConnectThrottle({ clock });
  throttle.lost(false);
  await clock.advance(1200);
  const attempts = new Attempts();
  const passing = [1, 2, 3].map(() => throttle.pass(attempts.make, signal));
  await drainMicrotasks();
  assertEquals(attempts.running, 3);
  for (let i = 0; i < 3; i++) attempts.succeed();
  await Promise.all(passing);
});
