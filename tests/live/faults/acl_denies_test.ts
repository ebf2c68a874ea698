import { assert, assertEquals } from "@std/assert";
import { onStage } from "./_stage.ts";
import { report } from "./_report.ts";

Deno.test("NOPERM passes through without arguments, and the breaker stays closed", () =>
  onStage(
    // Two refusals would open this breaker, if they counted.
    { manager: { username: "clerk", password: "pw", circuitBreakerThreshold: 2 } },
    async ({ server, manager }) => {
      await server.cli("ACL", "SETUSER", "clerk", "on", ">pw", "~*", "+@all", "-set");
      const client = manager.getClient("main");
      assertEquals(await client.incr("n"), 1);
      for (let i = 0; i < 5; i++) {
        const error = await client.set("k", "confidential").catch((error) => error);
        assertEquals(error.name, "ReplyError");
        assert(error.message.startsWith("NOPERM"), error.message);
        assert(!Deno.inspect(error, { depth: 9 }).includes("confidential"));
      }
      const { circuitBreaker, state } = manager.getHealthStatus().databases.main!;
      assertEquals([circuitBreaker, state], ["closed", "healthy"]);
      assertEquals(manager.getStatistics().databaseStats.main!.failedOperations, 5);
      await report({ row: 17, fault: "ACL denies", outcome: "NOPERM passed through" });
    },
  ));
