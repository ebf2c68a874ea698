import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { RetryBudget } from "../../../src/resilience/retry_budget.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function setUp(ratio: number, minPerSecond: number) {
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
  const { budget, withdraw } = setUp(0.2, 0);
  assertEquals(withdraw(1), 0);
  budget.deposit(1000);
  assertEquals(withdraw(1000), 200);
  for (let i = 0; i < 5; i++) budget.deposit(1);
  assertEquals([budget.balance, withdraw(2)], [1, 1]);
});

Deno.test("RetryBudget.tryWithdraw() gives the reserve when there are no commands", () => {
  const { clock, withdraw } = setUp(0.2, 10);
  assertEquals(withdraw(1000), 100);
  clock.freeze(9000);
  assertEquals(withdraw(1000), 0);
  clock.freeze(1000);
  assertEquals(withdraw(1000), 100);
});

Deno.test("RetryBudget keeps retries under their share whatever the rhythm", () => {
  const { clock, budget, withdraw } = setUp(0.2, 1);
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
  const { clock, budget } = setUp(0.5, 0);
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

Deno.test("new RetryBudget() throws on a share or reserve out of range", () => {
  assertThrows(() => setUp(-0.1, 1), RangeError, "ratio");
  assertThrows(() => setUp(0.2, NaN), RangeError, "minPerSecond");
});
