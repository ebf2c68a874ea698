import { assertEquals, assertRejects } from "@std/assert";
import { ReplyError } from "ioredis";
import {
  refusalsOf,
  RetryPolicy,
  TransactionRetry,
} from "../../../src/commands/retry.ts";
import {
  type BatchResult,
  ConnectionLostError,
  type Delivery,
  TransactionError,
} from "../../../src/core/errors/mod.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { REPLY_ERRORS } from "../../../src/resilience/reply_errors.ts";
import { RetryBudget } from "../../../src/resilience/retry.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

const failed = (error: Error, delivery: Delivery = "rejected"): BatchResult => ({
  ok: false,
  error,
  delivery,
});
const says = (text: string): Error => new ReplyError(text);
/** The server applied nothing of a transaction, and says why. */
const refused = (results: BatchResult[], cause?: Error) =>
  new TransactionError("main", false, results, cause);

const DROPPED = failed(
  says("EXECABORT Transaction discarded because of previous errors."),
  "never-sent",
);
const TRYAGAIN = says("TRYAGAIN Multiple keys request during rehashing of slot");
const UNKNOWN = says("ERR unknown command 'NOSUCH'");
const READONLY = says("READONLY You can't write against a read only replica.");

function retryWith(clock: FakeClock, wait: { timeoutMs?: number } = {}) {
  const statistics = new DatabaseStatistics("main", clock);
  const retryPolicy = new RetryPolicy({
    config: { maxRetries: 0, retryDelayMs: 50, retryOnTimeout: false, retryWrites: true },
    budget: new RetryBudget({ clock, ratio: 0, minPerSecond: 0 }),
    statistics,
    clock,
  });
  const retry = new TransactionRetry(
    {
      retryPolicy,
      config: { commandTimeoutMs: 1000, acquireTimeoutMs: 700 },
      statistics,
      clock,
    },
    wait,
  );
  return { retry, retried: () => statistics.counts.totalRetryAttempts };
}

const CASES: [what: string, error: unknown, delayMs: number | undefined][] = [
  ["WATCH is refused", TRYAGAIN, 50],
  ["one that is queued is refused", refused([DROPPED, failed(TRYAGAIN)]), 50],
  ["EXEC is refused", refused([failed(TRYAGAIN), failed(TRYAGAIN)]), 50],
  [
    "EXEC names the reason",
    refused([
      failed(says(`EXECABORT Transaction discarded because of: ${READONLY.message}`)),
    ]),
    50,
  ],
  ["MULTI is refused", refused([failed(READONLY)], READONLY), 50],
  [
    "several are refused, for the longest of their waits",
    refused([failed(READONLY), failed(says("CLUSTERDOWN Hash slot not served"))]),
    200,
  ],
  [
    "one of them would be refused again",
    refused([failed(READONLY), failed(UNKNOWN)]),
    undefined,
  ],
  [
    "MULTI may not be run",
    refused([failed(READONLY)], says("NOPERM no MULTI")),
    undefined,
  ],
  ["EXECABORT alone says no reason", refused([DROPPED, failed(UNKNOWN)]), undefined],
  [
    "EXECABORT is for no reason that is known",
    says("EXECABORT Transaction discarded because of previous errors."),
    undefined,
  ],
  [
    "it was applied",
    new TransactionError("main", true, [{ ok: true, value: 1 }, failed(READONLY)]),
    undefined,
  ],
  [
    "the connection was lost in it",
    refused([
      failed(READONLY),
      failed(new ConnectionLostError("main", "set", "ambiguous", "r"), "ambiguous"),
    ]),
    undefined,
  ],
  [
    "the connection was lost",
    new ConnectionLostError("main", "exec", "ambiguous", "r"),
    undefined,
  ],
  ["the callback throws", new Error("READONLY says the callback"), undefined],
];

for (const [what, error, delayMs] of CASES) {
  const tries = delayMs === undefined ? "is not retried" : "is retried";
  Deno.test(`TransactionRetry: a transaction ${tries} where ${what}`, () => {
    const { retried, retry } = retryWith(new FakeClock());
    assertEquals(retry.delayAfter(error), delayMs);
    assertEquals(retried(), delayMs === undefined ? 0 : 1);
  });
}

Deno.test("TransactionRetry retries what the table of reply errors says, and nothing else", () => {
  for (const { action, code } of REPLY_ERRORS.values()) {
    const { retry } = retryWith(new FakeClock());
    const delayMs = retry.delayAfter(refused([DROPPED, failed(says(`${code} because`))]));
    assertEquals([code, delayMs !== undefined], [code, action === "wait"]);
  }
});

Deno.test("TransactionRetry waits for longer each time, within the first deadline", async () => {
  const clock = new FakeClock();
  const { retried, retry } = retryWith(clock);
  const waits: unknown[] = [];
  for (;;) {
    const delayMs = retry.delayAfter(TRYAGAIN);
    waits.push(delayMs);
    if (delayMs === undefined) break;
    await clock.advance(delayMs);
  }
  assertEquals(waits, [50, 100, 200, 400, undefined]);
  assertEquals(retried(), 4);
});

Deno.test("TransactionRetry waits for a further connection within the first deadline", async () => {
  const clock = new FakeClock();
  const { retry } = retryWith(clock);
  assertEquals(retry.wait.timeoutMs, undefined);
  retry.delayAfter(TRYAGAIN);
  await clock.advance(50);
  assertEquals(retry.wait.timeoutMs, 700);
  await clock.advance(500);
  assertEquals(retry.wait.timeoutMs, 450);
  await clock.advance(500);
  assertEquals(retry.wait.timeoutMs, 0);
  const own = retryWith(new FakeClock(), { timeoutMs: 60 }).retry;
  assertEquals(own.wait.timeoutMs, 60);
  own.delayAfter(TRYAGAIN);
  assertEquals(own.wait.timeoutMs, 60);
});

Deno.test("TransactionRetry gives up on an error of another server, and ends with the signal", async () => {
  const stop = new AbortController();
  const { retry } = retryWith(new FakeClock());
  retry.giveUpOn(TRYAGAIN);
  assertEquals(retry.delayAfter(TRYAGAIN), undefined);
  const clock = new FakeClock();
  const parts = {
    retryPolicy: {
      decideTransaction: () => ({ ...NO_RETRY, retry: true, delayMs: 60_000 }),
    },
    config: { commandTimeoutMs: 1, acquireTimeoutMs: 1 },
    statistics: new DatabaseStatistics("main", clock),
    clock,
  };
  const { signal } = stop;
  const pause = new TransactionRetry(parts, { signal }).pause(60_000);
  stop.abort(new Error("enough"));
  await assertRejects(() => pause, Error, "enough");
});

const NO_RETRY = { retry: false, delayMs: 0, reresolve: false, notReady: false };

Deno.test("refusalsOf() leaves out what was dropped with another", () => {
  assertEquals(refusalsOf(refused([DROPPED, failed(UNKNOWN)])), [UNKNOWN]);
  assertEquals(refusalsOf(refused([failed(UNKNOWN)], READONLY)), [READONLY, UNKNOWN]);
  assertEquals(refusalsOf("READONLY"), []);
});
