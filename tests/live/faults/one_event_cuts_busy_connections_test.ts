import { assert, assertEquals } from "@std/assert";
import { waitFor } from "../../../src/testing/wait.ts";
import { delay } from "../../support/clients.ts";
import { SteadyCallers, withDefaults } from "./_defaults.ts";
import { report } from "./_report.ts";

/** Callers that block, each on a connection of its own. */
const BLOCKED = 8;

Deno.test("one event that cuts several busy connections is one failure: CLIENT KILL TYPE normal", () =>
  withDefaults(async ({ breaker, manager, server }) => {
    const client = manager.getClient("main");
    for (let round = 0; round < 3; round++) {
      const popping = Array.from(
        { length: BLOCKED },
        () => client.blpop("list", 20).catch((error: Error) => error),
      );
      await waitFor(async () => {
        const rows = await server.clientList("mooring:main:lease");
        return rows.filter(({ cmd }) => cmd === "blpop").length === BLOCKED;
      }, { what: "all callers block" });
      await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await Promise.all(popping);
      assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
      await client.set("k", round);
      assertEquals(await client.get("k"), String(round));
    }
    assertEquals(breaker, []);
  }));

Deno.test("one event that cuts several busy connections is one failure: a restart within 60 ms", () =>
  withDefaults(async ({ breaker, manager, server }) => {
    const client = manager.getClient("main");
    const callers = new SteadyCallers(() => client.get("k"));
    for (let round = 0; round < 3; round++) {
      const popping = Array.from(
        { length: BLOCKED },
        () => client.blpop("list", 20).catch((error: Error) => error),
      );
      await waitFor(async () => {
        const rows = await server.clientList("mooring:main:lease");
        return rows.filter(({ cmd }) => cmd === "blpop").length === BLOCKED;
      }, { what: "all callers block" });
      await server.kill();
      await delay(60);
      await server.restart();
      await Promise.all(popping);
      await client.set("k", round);
    }
    await callers.stop();
    assertEquals(breaker, []);
    assertEquals(callers.errors.map(({ message }) => message), []);
    assert(callers.served > 0);
    await report({
      row: 50,
      fault: `one event cuts ${BLOCKED} busy connections`,
      outcome: "breaker closed; no read failed",
    });
  }));
