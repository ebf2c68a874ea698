import { assert, assertEquals } from "@std/assert";
import { CommandTimeoutError } from "../../../mod.ts";
import { delay } from "../../support/clients.ts";
import { withDefaults } from "./_defaults.ts";
import { report } from "./_report.ts";

Deno.test("callers' own deadlines, shorter than the database's, are not held against the server", () =>
  withDefaults(async ({ breaker, manager, server }) => {
    const client = manager.getClient("main");
    await client.set("k", 1);
    const hasty = client.with({ timeoutMs: 40 });
    let timeouts = 0;
    // A busy machine is late for some of them.
    for (let round = 0; round < 3 || timeouts < 5 && round < 30; round++) {
      await server.cli("CLIENT", "PAUSE", 400);
      for (let call = 0; call < 6; call++) {
        const error = await hasty.get("k").then(() => undefined, (error) => error);
        if (error instanceof CommandTimeoutError) timeouts++;
        await delay(5);
      }
      const stop = AbortSignal.timeout(20);
      await client.with({ signal: stop }).get("k").catch(() => {});
      assertEquals(await client.get("k"), "1");
    }
    assert(timeouts >= 5, `only ${timeouts} deadlines passed`);
    assertEquals(breaker, []);
    assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
    await report({
      row: 51,
      fault: "callers' own deadlines of 40 ms while the server pauses",
      outcome: `${timeouts} timeouts, breaker closed`,
    });
  }));

Deno.test("a server that is busy for less than the deadline is not held to be sick", () =>
  withDefaults(async ({ breaker, manager, server }) => {
    const client = manager.getClient("main");
    await client.set("k", 1);
    for (let round = 0; round < 3; round++) {
      const sleeping = server.cli("DEBUG", "SLEEP", "1");
      await delay(50);
      const reads = Array.from({ length: 50 }, () => client.get("k"));
      assertEquals(new Set(await Promise.all(reads)), new Set(["1"]));
      assertEquals(await sleeping, "OK");
    }
    assertEquals(breaker, []);
  }, { config: { "enable-debug-command": "yes" } }));
