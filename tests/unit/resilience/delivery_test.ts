import { assertEquals } from "@std/assert";
import type { Delivery } from "../../../src/core/errors/base.ts";
import type { CommandClass } from "../../../src/resilience/command_class.ts";
import {
  decideRetry,
  type NoRetryReason,
  type RetryQuestion,
} from "../../../src/resilience/delivery.ts";

const QUESTION: RetryQuestion = {
  command: { class: "read", isRead: true },
  delivery: "ambiguous",
  attempt: 1,
  maxRetries: 3,
  retryOnTimeout: true,
  retryWrites: false,
  remainingMs: 5000,
  backoff: { minMs: 50, maxMs: 1000, jitter: 0 },
  random: 0.5,
};

function ask(changes: Partial<RetryQuestion>): NoRetryReason | number {
  const decision = decideRetry({ ...QUESTION, ...changes });
  return decision.retry ? decision.delayMs : decision.reason;
}

const READ = { class: "read", isRead: true } as const;
const WRITE = { class: "write", isRead: false } as const;
const POP = { class: "blocking", isRead: false } as const;
const XREAD_BLOCK = { class: "blocking", isRead: true } as const;

Deno.test("decideRetry() follows the delivery contract", () => {
  const cases: [
    RetryQuestion["command"],
    Delivery,
    boolean,
    NoRetryReason | number,
  ][] = [
    [READ, "never-sent", false, 50],
    [WRITE, "never-sent", false, 50],
    [POP, "never-sent", false, 50],
    [READ, "ambiguous", false, 50],
    [XREAD_BLOCK, "ambiguous", false, 50],
    [WRITE, "ambiguous", false, "ambiguous"],
    [POP, "ambiguous", false, "ambiguous"],
    [READ, "rejected", false, "refused"],
    [WRITE, "rejected", false, "refused"],
    [READ, "rejected", true, 50],
    [WRITE, "rejected", true, 50],
    // "Not now" is no leave to repeat what may have run.
    [WRITE, "ambiguous", true, "ambiguous"],
  ];
  for (const [command, delivery, isNotNow, expected] of cases) {
    const found = ask({ command, delivery, isNotNow });
    assertEquals([command.class, delivery, isNotNow, found], [
      command.class,
      delivery,
      isNotNow,
      expected,
    ]);
  }
});

Deno.test("decideRetry() never repeats what changes its connection", () => {
  for (const kind of ["stateful", "subscribe"] as CommandClass[]) {
    for (const delivery of ["never-sent", "rejected", "ambiguous"] as Delivery[]) {
      const command = { class: kind, isRead: false };
      const found = ask({ command, delivery, isNotNow: true, retryWrites: true });
      assertEquals(found, "stateful");
    }
  }
});

Deno.test("decideRetry() obeys retry_writes and retry_on_timeout", () => {
  assertEquals(ask({ command: WRITE, retryWrites: true }), 50);
  assertEquals(ask({ command: POP, retryWrites: true }), 50);
  assertEquals(ask({ command: READ, retryOnTimeout: false }), "off");
  assertEquals(ask({ command: READ, retryOnTimeout: false, delivery: "never-sent" }), 50);
});

Deno.test("decideRetry() stops at max_retries, except where the server said not now", () => {
  assertEquals(ask({ attempt: 3 }), 200);
  assertEquals(ask({ attempt: 4 }), "attempts");
  assertEquals(ask({ maxRetries: 0 }), "attempts");
  assertEquals(ask({ attempt: 40, delivery: "rejected", isNotNow: true }), 1000);
});

Deno.test("decideRetry() says what costs the retry budget: all but what the server said not now to", () => {
  const costs = (changes: Partial<RetryQuestion>) => {
    const decision = decideRetry({ ...QUESTION, ...changes });
    return decision.retry && decision.costsBudget;
  };
  assertEquals(costs({}), true);
  assertEquals(costs({ delivery: "rejected", isNotNow: true }), false);
});

Deno.test("decideRetry() does not wait past the deadline", () => {
  assertEquals(ask({ remainingMs: 51 }), 50);
  assertEquals(ask({ remainingMs: 50 }), "deadline");
  assertEquals(ask({ remainingMs: 0 }), "deadline");
  assertEquals(ask({ remainingMs: 150, leastDelayMs: 200 }), "deadline");
  assertEquals(ask({ leastDelayMs: 200 }), 200);
  assertEquals(ask({ leastDelayMs: 20 }), 50);
});
