import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AuthError } from "../../../mod.ts";
import { plainOutcome } from "./_plain.ts";
import { report } from "./_report.ts";
import { assertTook, onStage, timed } from "./_stage.ts";

const WRONG = "wr0ng-s3cret-pass";
const RIGHT = "r1ght-s3cret-pass";

function assertNoSecret(what: unknown): void {
  for (
    const text of [Deno.inspect(what, { depth: 10 }), String(what), JSON.stringify(what)]
  ) {
    assert(!text?.includes("s3cret"), text);
  }
}

Deno.test("a wrong password is told at once, once, and shown nowhere", () =>
  onStage(
    { manager: { password: WRONG }, server: { password: RIGHT } },
    async ({ relay, manager }) => {
      const events: unknown[] = [];
      manager.addEventListener("connection", ({ detail }) => events.push(detail));
      const client = manager.getClient("main");
      const told = await timed(client.get("k"));
      const { ms, error } = told;
      assertInstanceOf(error, AuthError);
      assertEquals([error.attempts, error.retryable], [1, false]);
      assertTook(told, { most: 300 });
      assertEquals(relay.accepted.length, 1, "no retry");
      for (let i = 0; i < 6; i++) await assertRejects(() => client.get("k"), AuthError);
      const { circuitBreaker } = manager.getHealthStatus().databases.main!;
      assertEquals(circuitBreaker, "closed");
      [error, (error as Error).stack, events, manager, client, manager.config]
        .forEach(assertNoSecret);
      [manager.getStatistics(), manager.getHealthStatus(), manager.getMetrics("main")]
        .forEach(assertNoSecret);
      const plain = await plainOutcome(relay.port, async (redis) => {
        const told = new Promise<unknown>((resolve) => redis.once("error", resolve));
        const shown = Deno.inspect(await told, { depth: 10 });
        return shown.includes(WRONG) ? "the error holds the password" : "no secret";
      }, { password: WRONG });
      await report({
        ...plain,
        row: 15,
        fault: "wrong password",
        outcome: "AuthError at once, one attempt",
        noticedMs: ms,
      });
    },
  ));
