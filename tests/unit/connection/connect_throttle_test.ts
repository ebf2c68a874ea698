import { assertEquals, assertRejects } from "@std/assert";
import { takeHostTime } from "../../../bench/simulation/host_time.ts";
import { SimClock } from "../../../bench/simulation/sim_clock.ts";
import { ConnectThrottle } from "../../../src/connection/connect_throttle.ts";
import { drainMicrotasks, FakeClock } from "../../support/fake_clock.ts";

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

async function sicken(gate: ConnectThrottle): Promise<void> {
  await assertRejects(() => gate.pass(() => Promise.reject(new Error("no")), signal));
}

Deno.test("ConnectThrottle.pass() lets all through while the server is well", async () => {
  const gate = new ConnectThrottle(new FakeClock());
  const attempts = new Attempts();
  const passing = [1, 2, 3].map(() => gate.pass(attempts.make, signal));
  await drainMicrotasks();
  assertEquals(attempts.running, 3);
  for (let i = 0; i < 3; i++) attempts.succeed();
  assertEquals(await Promise.all(passing), ["open", "open", "open"]);
});

Deno.test("ConnectThrottle.pass() makes one attempt at a time after a failure, until one succeeds", async () => {
  const clock = new FakeClock();
  const gate = new ConnectThrottle(clock);
  await sicken(gate);
  await clock.advance(1000);
  const attempts = new Attempts();
  const passing = [1, 2, 3].map(() => gate.pass(attempts.make, signal));
  await drainMicrotasks();
  assertEquals(attempts.running, 1);
  attempts.succeed();
  await drainMicrotasks();
  assertEquals(attempts.running, 1, "the next one's turn");
  const healthy = gate.pass(attempts.make, signal);
  await drainMicrotasks();
  assertEquals(attempts.running, 2, "who comes now need not queue");
  for (let i = 0; i < 3; i++) {
    attempts.succeed();
    await drainMicrotasks();
  }
  assertEquals((await Promise.all([...passing, healthy])).length, 4);
});

Deno.test("ConnectThrottle.pass() passes the turn on when a waiter gives up", async () => {
  const clock = new FakeClock();
  const gate = new ConnectThrottle(clock);
  await sicken(gate);
  await clock.advance(1000);
  const attempts = new Attempts();
  const first = gate.pass(attempts.make, signal);
  const stop = new AbortController();
  const second = gate.pass(attempts.make, stop.signal);
  const third = gate.pass(attempts.make, signal);
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
  const gate = new ConnectThrottle(clock, () => random);
  const starts: number[] = [];
  gate.lost(hadAnswered);
  const attempts = (async () => {
    for (let n = 0; n < 3; n++) {
      await gate.pass(() => Promise.resolve(starts.push(clock.now())), signal);
    }
  })();
  await clock.runUntil(1000);
  await attempts;
  return starts;
}

Deno.test("ConnectThrottle.pass() keeps a distance after a connection that answered nothing", async () => {
  assertEquals(await startsAfterLoss(0, false), [0, 110, 220]);
  assertEquals(await startsAfterLoss(1, false), [0, 165, 330]);
});

Deno.test("ConnectThrottle.pass() lets all through after the loss of a connection that was of use", async () => {
  assertEquals(await startsAfterLoss(0, true), [0, 0, 0]);
});

Deno.test("ConnectThrottle.pass() lets all through again when nothing was lost for a second", async () => {
  const clock = new FakeClock();
  const gate = new ConnectThrottle(clock);
  gate.lost(false);
  await clock.advance(1000);
  const attempts = new Attempts();
  const passing = [1, 2, 3].map(() => gate.pass(attempts.make, signal));
  await drainMicrotasks();
  assertEquals(attempts.running, 3);
  for (let i = 0; i < 3; i++) attempts.succeed();
  await Promise.all(passing);
});
