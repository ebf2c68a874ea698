import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { Delivery } from "../../../src/core/errors/base.ts";
import type { CommandClass } from "../../../src/resilience/command_class.ts";
import {
  mayRetry,
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
  delayMs: 50,
  remainingMs: 5000,
};

function ask(changes: Partial<RetryQuestion>): boolean {
  return mayRetry({ ...QUESTION, ...changes });
}

const READ = { class: "read", isRead: true } as const;
const WRITE = { class: "write", isRead: false } as const;
const POP = { class: "blocking", isRead: false } as const;
const XREAD_BLOCK = { class: "blocking", isRead: true } as const;

Deno.test("mayRetry() follows the delivery contract", () => {
  const cases: [RetryQuestion["command"], Delivery, boolean][] = [
    [READ, "never-sent", true],
    [WRITE, "never-sent", true],
    [POP, "never-sent", true],
    [READ, "ambiguous", true],
    [XREAD_BLOCK, "ambiguous", true],
    [WRITE, "ambiguous", false],
    [POP, "ambiguous", false],
    [READ, "rejected", true],
    [WRITE, "rejected", true],
  ];
  for (const [command, delivery, expected] of cases) {
    const found = ask({ command, delivery });
    assertEquals([command, delivery, found], [command, delivery, expected]);
  }
});

Deno.test("mayRetry() never repeats what changes its connection", () => {
  for (const kind of ["stateful", "subscribe"] as CommandClass[]) {
    for (const delivery of ["never-sent", "rejected", "ambiguous"] as Delivery[]) {
      const command = { class: kind, isRead: false };
      assertEquals(ask({ command, delivery, retryWrites: true }), false);
    }
  }
});

Deno.test("mayRetry() obeys retry_writes and retry_on_timeout", () => {
  assertEquals(ask({ command: WRITE, retryWrites: true }), true);
  assertEquals(ask({ command: POP, retryWrites: true }), true);
  assertEquals(ask({ command: READ, retryOnTimeout: false }), false);
  const unsent = {
    command: READ,
    retryOnTimeout: false,
    delivery: "never-sent",
  } as const;
  assertEquals(ask(unsent), true);
});

Deno.test("mayRetry() stops at max_retries, except where the server refuses for now", () => {
  assertEquals(ask({ attempt: 3 }), true);
  assertEquals(ask({ attempt: 4 }), false);
  assertEquals(ask({ maxRetries: 0 }), false);
  assertEquals(ask({ attempt: 40, delivery: "rejected" }), true);
});

Deno.test("mayRetry() does not wait past the deadline", () => {
  assertEquals(ask({ remainingMs: 51 }), true);
  assertEquals(ask({ remainingMs: 50 }), false);
  assertEquals(ask({ remainingMs: 0 }), false);
  assertEquals(ask({ remainingMs: 50, delivery: "rejected" }), false);
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
