import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { Delivery } from "../../../src/core/errors/base.ts";
import type { CommandClass } from "../../../src/resilience/command_class.ts";
import {
  decideRetry,
  type NoRetryReason,
  RetryBudget,
  type RetryQuestion,
} from "../../../src/resilience/retry.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

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

function budgetOf(ratio: number, minPerSecond: number) {
  const clock = new FakeClock({ now: 123_456 });
  const budget = new RetryBudget({ clock, ratio, minPerSecond });
  const withdraw = (times: number) => {
    let got = 0;
    for (let i = 0; i < times; i++) if (budget.tryWithdraw()) got++;
    return got;
  };
  return { clock, budget, withdraw };
}

Deno.test("RetryBudget.tryWithdraw() gives the share of the commands and no more", () => {
  const { budget, withdraw } = budgetOf(0.2, 0);
  assertEquals(withdraw(1), 0);
  budget.deposit(1000);
  assertEquals(withdraw(1000), 200);
  for (let i = 0; i < 5; i++) budget.deposit(1);
  assertEquals([budget.balance, withdraw(2)], [1, 1]);
});

Deno.test("RetryBudget.tryWithdraw() gives the reserve when there are no commands", () => {
  const { clock, withdraw } = budgetOf(0.2, 10);
  assertEquals(withdraw(1000), 100);
  clock.freeze(9000);
  assertEquals(withdraw(1000), 0);
  clock.freeze(1000);
  assertEquals(withdraw(1000), 100);
});

Deno.test("RetryBudget keeps retries under their share whatever the rhythm", () => {
  const { clock, budget, withdraw } = budgetOf(0.2, 1);
  let retries = 0;
  for (let second = 0; second < 600; second++) {
    budget.deposit(100);
    retries += withdraw(1000);
    clock.freeze(1000);
  }
  // 20 a second and the reserve of 1 a second.
  assertEquals(retries >= 600 * 20 && retries <= 601 * 21 + 10, true, `${retries}`);
});

Deno.test("RetryBudget forgets deposits after ten seconds", () => {
  const { clock, budget } = budgetOf(0.5, 0);
  budget.deposit(10);
  clock.freeze(5000);
  budget.deposit(4);
  assertAlmostEquals(budget.balance, 7);
  clock.freeze(5000);
  assertAlmostEquals(budget.balance, 2);
  clock.freeze(5000);
  assertEquals(budget.balance, 0);
  budget.deposit(2);
  clock.freeze(10_000_000);
  assertEquals(budget.balance, 0);
});
