import { assertEquals } from "@std/assert";
import { RetryPolicy, type RetrySettings } from "../../../src/commands/retry.ts";
import type { PendingCommand } from "../../../src/connection/pending_command.ts";
import {
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
  ProtocolError,
} from "../../../src/core/errors/mod.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { RetryBudget } from "../../../src/resilience/retry.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { ReplyError } from "ioredis";

function policyWith(
  clock: FakeClock,
  settings: Partial<RetrySettings> = {},
): RetryPolicy {
  const budget = new RetryBudget({ clock, ratio: 0, minPerSecond: 10 });
  return new RetryPolicy({
    config: { maxRetries: 3, retryDelayMs: 50, retryOnTimeout: true, retryWrites: false },
    budget,
    statistics: new DatabaseStatistics("main", clock),
    clock,
    ...settings,
  });
}

function command(kind: "read" | "write", changes: object = {}): PendingCommand {
  const info = { name: kind, class: kind, isRead: kind === "read", isScript: false };
  const tracking = { info, attempts: 1, startedAt: 0, timeoutMs: 1000, ...changes };
  return { inTransaction: false, tracking } as unknown as PendingCommand;
}

const lost = (delivery: Delivery) => new ConnectionLostError("main", "x", delivery, "r");

const CASES: [string, PendingCommand, Error, Delivery, boolean][] = [
  ["a lost read", command("read"), lost("ambiguous"), "ambiguous", true],
  ["a lost write", command("write"), lost("ambiguous"), "ambiguous", false],
  ["a write that was not sent", command("write"), lost("never-sent"), "never-sent", true],
  [
    "a read whose connection broke the protocol",
    command("read"),
    new ProtocolError("main", "r", "ambiguous"),
    "ambiguous",
    true,
  ],
  [
    "a read whose deadline passed",
    command("read"),
    new CommandTimeoutError("main", "x", 1000, "ambiguous"),
    "ambiguous",
    false,
  ],
  [
    "a read that was tried often enough",
    command("read", { attempts: 4 }),
    lost("ambiguous"),
    "ambiguous",
    false,
  ],
  [
    "LOADING, however often",
    command("write", { attempts: 40 }),
    new ReplyError("LOADING Redis is loading the dataset in memory"),
    "rejected",
    true,
  ],
  [
    "WRONGTYPE",
    command("read"),
    new ReplyError("WRONGTYPE Operation against a key"),
    "rejected",
    false,
  ],
];

for (const [what, tracked, error, delivery, retry] of CASES) {
  Deno.test(`RetryPolicy.decide() ${retry ? "retries" : "does not retry"}: ${what}`, () => {
    assertEquals(
      policyWith(new FakeClock()).decide(tracked, error, delivery).retry,
      retry,
    );
  });
}

Deno.test("RetryPolicy.decide() waits 200 ms at most for a server that is loading", () => {
  const policy = policyWith(new FakeClock());
  const error = new ReplyError("LOADING Redis is loading the dataset in memory");
  const delays = [1, 2, 3, 9].map((attempts) =>
    policy.decide(command("read", { attempts }), error, "rejected").delayMs
  );
  assertEquals(delays, [100, 100, 200, 200]);
});

Deno.test("RetryPolicy.decide() counts what the budget alone refuses, and asks it for nothing else", () => {
  const clock = new FakeClock();
  const statistics = new DatabaseStatistics("main", clock);
  const refused = () => statistics.counts.refusedRetries;
  const budget = new RetryBudget({ clock, ratio: 0, minPerSecond: 0.2 });
  const policy = policyWith(clock, {
    budget,
    statistics,
  });
  const lostRead = () => policy.decide(command("read"), lost("ambiguous"), "ambiguous");
  const never = policy.decide(command("write"), lost("ambiguous"), "ambiguous");
  assertEquals([never.retry, refused(), budget.balance], [false, 0, 2]);
  assertEquals([lostRead().retry, lostRead().retry, refused()], [true, true, 0]);
  assertEquals([lostRead().retry, lostRead().retry, refused()], [false, false, 2]);
  const loading = new ReplyError("LOADING Redis is loading the dataset in memory");
  assertEquals(policy.decide(command("read"), loading, "rejected").retry, true);
  assertEquals(refused(), 2);
});

Deno.test("RetryPolicy.decide() reports what an error says of the server", () => {
  const policy = policyWith(new FakeClock());
  const say = (text: string) => {
    const { reresolve, notReady } = policy.decide(
      command("write"),
      new ReplyError(text),
      "rejected",
    );
    return [reresolve, notReady];
  };
  assertEquals(say("READONLY You can't write against a read only replica."), [
    true,
    false,
  ]);
  assertEquals(say("LOADING Redis is loading the dataset in memory"), [false, true]);
  assertEquals(say("ERR unknown command"), [false, false]);
});

Deno.test("RetryPolicy.decide() lets a deadline win", async () => {
  const clock = new FakeClock();
  const policy = policyWith(clock);
  await clock.advance(990);
  const error = new ReplyError("LOADING Redis is loading the dataset in memory");
  assertEquals(policy.decide(command("read"), error, "rejected").retry, false);
});
