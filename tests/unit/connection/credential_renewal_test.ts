import { assert, assertEquals } from "@std/assert";
import {
  CredentialRenewal,
  type Interruptible,
  nextTryAt,
  type RenewableConnection,
  renewalTime,
} from "../../../src/connection/credential_renewal.ts";
import type { QueryResult } from "../../../src/connection/pending_command.ts";
import type { GivenCredentials } from "../../../src/core/secret.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

const REFUSED = { error: new Error("WRONGPASS invalid username-password pair") };

class FakeConnection implements RenewableConnection {
  isOpen = true;
  when: Interruptible = "now";
  answer: QueryResult | undefined = { reply: "OK" };
  readonly sent: string[] = [];
  readonly #ends: (() => void)[] = [];

  query(_ms: number, ...words: string[]): Promise<QueryResult | undefined> {
    this.sent.push(words.join(" "));
    return Promise.resolve(this.answer);
  }
  onEnd(fn: () => void): void {
    this.#ends.push(fn);
  }
  end(): void {
    this.isOpen = false;
    for (const fn of this.#ends) fn();
  }
}

/** A renewal on fake time; the provider's tokens last for 100 seconds. */
function stage(
  give?: (asked: number) => Partial<GivenCredentials>,
  { slownessMs = 0 }: { slownessMs?: number } = {},
) {
  const clock = new FakeClock();
  const warnings: string[] = [];
  const replaced: [FakeConnection, string][] = [];
  let asked = 0;
  const renewal = new CredentialRenewal<FakeConnection>({
    ask: () => {
      asked++;
      const expiresAt = clock.wallNow() + 100_000;
      const given = { password: `token-${asked}`, expiresAt, ...give?.(asked) };
      if (slownessMs === 0) return Promise.resolve(given);
      return new Promise((resolve) => clock.setTimer(() => resolve(given), slownessMs));
    },
    username: "app",
    askTimeoutMs: 5000,
    timeoutMs: 1000,
    judge: () => ({ when }) => when,
    replace: (connection, reason) => replaced.push([connection, reason]),
    warn: (message) => warnings.push(message),
    clock,
    random: () => 0,
  });
  const open = () => {
    const connection = new FakeConnection();
    renewal.add(connection, clock.wallNow() + 100_000);
    return connection;
  };
  return { clock, renewal, open, warnings, replaced, asked: () => asked };
}

Deno.test("renewalTime() keeps a quarter of the time, at most 30 s, and jitter", () => {
  assertEquals(renewalTime(40_000, 0, 0), 30_000);
  assertEquals(renewalTime(40_000, 0, 1), 25_000);
  assertEquals(renewalTime(3_600_000, 0, 0), 3_570_000);
  assertEquals(renewalTime(3_600_000, 0, 1), 3_555_000);
  assertEquals(renewalTime(500, 100, 0), 1100);
  assertEquals(renewalTime(0, 100_000, 1), 101_000);
});

Deno.test("nextTryAt() is after half of the time, at least a second, or never", () => {
  assertEquals(nextTryAt(30_000, 10_000), 20_000);
  assertEquals(nextTryAt(11_500, 10_000), 11_000);
  assertEquals(nextTryAt(11_000, 10_000), undefined);
});

Deno.test("one call of the provider serves all connections, each time", async () => {
  const { clock, open, asked, warnings, renewal } = stage();
  assertEquals(clock.pending, 0);
  const connections = [open(), open()];
  await clock.advance(1000);
  connections.push(open());
  assertEquals(clock.pending, 1);
  await clock.advance(73_999);
  assertEquals(asked(), 0);
  await clock.advance(1);
  assertEquals(asked(), 1);
  for (const { sent } of connections) assertEquals(sent, ["auth app token-1"]);
  await clock.advance(75_000);
  assertEquals(asked(), 2);
  for (const { sent } of connections) assertEquals(sent.length, 2);
  assertEquals(warnings, []);
  renewal.stop();
  assertEquals(clock.pending, 0);
});

Deno.test("a provider may take as long as for a new connection, longer than a command", async () => {
  const { clock, open, warnings, renewal } = stage(undefined, { slownessMs: 4999 });
  const connection = open();
  await clock.advance(75_000);
  assertEquals(connection.sent, []);
  await clock.advance(4999);
  assertEquals([connection.sent, warnings], [["auth app token-1"], []]);
  renewal.stop();
});

Deno.test("a provider that takes too long is reported, and called again", async () => {
  const { clock, open, warnings, asked, renewal } = stage(undefined, {
    slownessMs: 6000,
  });
  open();
  await clock.advance(80_000);
  assertEquals(warnings, [
    "the provider of the password did not answer within 5000 ms: it is asked again",
  ]);
  await clock.advance(10_000);
  assertEquals(asked(), 2);
  renewal.stop();
});

Deno.test("no timer is left when the last connection has ended", async () => {
  const { clock, open, asked } = stage();
  open().end();
  assertEquals(clock.pending, 0);
  await clock.advance(200_000);
  assertEquals(asked(), 0);
});

Deno.test("a jump of the wall clock is detected within a minute", async () => {
  const { clock, open, asked } = stage();
  open();
  clock.setWall(clock.wallNow() + 74_000);
  await clock.advance(60_000);
  assertEquals(asked(), 1);
});

Deno.test("a busy connection waits, and the provider is not called again for it", async () => {
  const { clock, open, asked, renewal } = stage();
  const [free, busy] = [open(), open()];
  busy.when = "later";
  await clock.advance(80_000);
  assertEquals([free.sent.length, busy.sent.length, asked()], [1, 0, 1]);
  busy.when = "now";
  await clock.advance(50);
  assertEquals([free.sent.length, busy.sent.length, asked()], [1, 1, 1]);
  renewal.stop();
});

Deno.test("a connection that is busy until its credentials expire is replaced", async () => {
  const { clock, open, replaced } = stage();
  const busy = open();
  busy.when = "later";
  await clock.advance(99_900);
  assertEquals(replaced, []);
  await clock.advance(200);
  assertEquals(replaced.map(([connection]) => connection), [busy]);
  assertEquals([busy.sent, clock.pending], [[], 0]);
});

Deno.test("a connection whose holder has changed its purpose is left alone", async () => {
  const { clock, open, replaced, asked } = stage();
  const own = open();
  own.when = "never";
  await clock.advance(200_000);
  assertEquals([own.sent, replaced, asked(), clock.pending], [[], [], 0, 0]);
});

Deno.test("a refusal is tried once more with new credentials, then replaced", async () => {
  const { clock, open, asked, replaced, warnings, renewal } = stage();
  const [good, bad, silent] = [open(), open(), open()];
  bad.answer = REFUSED;
  silent.answer = undefined;
  await clock.advance(99_999);
  assertEquals(bad.sent, ["auth app token-1", "auth app token-2"]);
  assertEquals(silent.sent, bad.sent);
  assertEquals(asked(), 2);
  assertEquals(replaced.map(([connection]) => connection), [bad, silent]);
  assertEquals(warnings, [
    "2 of 3 connections could not be authenticated anew before their credentials " +
    "expire: WRONGPASS, no answer within 1000 ms",
    "2 of 3 connections could not be authenticated anew before their credentials " +
    "expire: WRONGPASS, no answer within 1000 ms",
  ]);
  assert(good.sent.length >= 1);
  renewal.stop();
});

Deno.test("a provider that returns nothing new is called a few times, and no connection is closed", async () => {
  const { clock, open, asked, replaced, warnings } = stage((n) => {
    if (n === 1) throw new RangeError("s3cret");
    return { expiresAt: 0 };
  });
  const { sent } = open();
  await clock.advance(100_000);
  assertEquals([sent, replaced, clock.pending], [[], [], 0]);
  assertEquals(asked(), 6);
  assertEquals(
    warnings[0],
    "the provider of the password failed (RangeError): it is asked again",
  );
  assertEquals(
    warnings.at(-1),
    "the provider of the password gave nothing that lasts longer: 1 connections are " +
      "left with credentials that expire",
  );
  assertEquals(warnings.length, 6);
});

Deno.test("credentials without an expiry end the schedule", async () => {
  const { clock, open } = stage(() => ({ username: "other", expiresAt: Infinity }));
  const { sent } = open();
  await clock.advance(75_000);
  assertEquals([sent, clock.pending], [["auth other token-1"], 0]);
});
