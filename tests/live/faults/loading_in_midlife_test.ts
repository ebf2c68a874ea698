import { assert, assertEquals } from "@std/assert";
import { delay, waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { fillSlowly, loaded, slowLoader } from "./_loading.ts";
import { report } from "./_report.ts";
import { assertCountsAgree, assertTook, Stopwatch, timed } from "./_stage.ts";

Deno.test("commands wait while the server reloads its data, and then succeed", () =>
  withManager(
    { commandTimeoutMs: 20_000, maxRetries: 1, databases: { main: { db: 0 } } },
    async ({ manager, server }) => {
      await fillSlowly(server);
      const client = manager.getClient("main");
      await client.set("n", 0);
      const percents: (number | undefined)[] = [];
      manager.addEventListener("loading", ({ detail }) => percents.push(detail.percent));
      const reloader = await server.connect();
      const reloading = reloader.send("DEBUG", "RELOAD");
      await delay(300);
      using watch = new Stopwatch();
      const waiting = Array.from(
        { length: 50 },
        (_, i) => timed<unknown>(i % 2 === 0 ? client.incr("n") : client.get("key:1")),
      );
      await reloading;
      await loaded(server);
      const ready = watch.read();
      const results = await Promise.all(waiting);
      const recovery = watch.since(ready);
      assertEquals(results.filter(({ error }) => error !== undefined), []);
      assertEquals(await client.get("n"), "25");
      assertTook(recovery, { most: 300 }, "being served when ready");
      assert(results[0]!.ms > 300, `waited ${results[0]!.ms} ms only`);
      const recoveredMs = recovery.ms;
      assert(percents.length > 0, "no progress was reported");
      await assertCountsAgree(server, manager);
      const health = () => manager.getHealthStatus().databases.main!;
      // The watch of the loading has its last look yet to come.
      await waitFor(() => health().state === "healthy", { what: "health" });
      assertEquals(health().circuitBreaker, "closed");
      reloader.close();
      await report({
        row: 7,
        fault: "LOADING in mid-life",
        outcome: "50 commands waited and succeeded",
        recoveredMs,
      });
    },
    slowLoader(1500),
  ));

Deno.test("a restarted server that loads is waited for within the deadline", () =>
  withManager(
    {
      commandTimeoutMs: 20_000,
      connectRetry: { attempts: 30, minMs: 20, maxMs: 100 },
      databases: { main: { db: 0 } },
    },
    async ({ manager, server }) => {
      await fillSlowly(server);
      const client = manager.getClient("main");
      await client.get("key:1");
      await server.restart();
      assertEquals(await client.incr("n"), 1);
      assertEquals(manager.getStatistics().databaseStats.main!.failedOperations, 0);
    },
    slowLoader(1000),
  ));
