/**
 * A user or a proxy without PING is served all the same; one without MULTI gets no part of
 * a transaction.
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { RedisClient } from "../../../mod.ts";
import type { ProxyScript } from "../../../src/testing/proxy_script.ts";
import { report } from "./_report.ts";
import { onStage, type StageOptions } from "./_stage.ts";

/** Refuses commands as an ACL does, and as a proxy that does not know them. */
function refusing(...names: string[]): Record<string, StageOptions> {
  const script: ProxyScript = ([name = ""]) =>
    names.includes(name.toLowerCase()) ? "-ERR unknown command\r\n" : undefined;
  return {
    "by an ACL": {
      manager: { username: "clerk", password: "pw" },
      server: {
        config: {
          user: `clerk on >pw ~* &* +@all ${names.map((name) => `-${name}`).join(" ")}`,
        },
      },
    },
    "by a proxy": { relay: { script } },
  };
}

for (const [who, options] of Object.entries(refusing("ping"))) {
  Deno.test(`PING refused ${who}: served all the same`, () =>
    onStage(options, async ({ manager }) => {
      const client = await manager.getAsyncClient("main");
      assertEquals(await client.set("k", "v"), "OK");
      assertEquals(await manager.healthCheck().then((h) => h.overallHealthy), true);
      {
        await using lease = await manager.acquire("main");
        await lease.client.watch("k");
      }
      // What cleans a lease asks by PING, too.
      await using lease = await manager.acquire("main");
      assertEquals(await lease.client.get("k"), "v");
      await using news = await manager.subscribe("main", ["news"], () => {});
      await news.unsubscribe();
      const { circuitBreaker, state } = manager.getHealthStatus().databases.main!;
      assertEquals([circuitBreaker, state], ["closed", "healthy"]);
      await report({ row: 68, fault: `PING refused ${who}`, outcome: "served" });
    }));
}

for (const [who, options] of Object.entries(refusing("multi"))) {
  Deno.test(`MULTI refused ${who}: nothing of a transaction runs`, () =>
    onStage(options, async ({ manager }) => {
      const client = manager.getClient("main");
      await using lease = await manager.acquire("main");
      const leased = lease.client as RedisClient;
      const attempts: Record<string, () => Promise<unknown>> = {
        "a chain": () => client.multi().set("a", 1).incr("n").exec(),
        "a chain of with()": () =>
          client.with({ timeoutMs: 4000 }).multi().incr("n").exec(),
        "a chain with callbacks": () => client.multi([["incr", "n"]]).exec(() => {}),
        "a chain on a lease": () => leased.multi().set("a", 1).incr("n").exec(),
        "a transaction": () => manager.transaction("main", (tx) => tx.incr("n")),
        "step by step on a lease": () => {
          const multi = leased.multi({ pipeline: false });
          const steps = [multi, leased.incr("n"), leased.exec()];
          return Promise.allSettled(steps).then(() => multi);
        },
      };
      for (let round = 0; round < 2; round++) {
        for (const [what, attempt] of Object.entries(attempts)) {
          const error = await assertRejects(attempt, Error);
          assertMatch(error.message, /NOPERM|unknown command/, what);
        }
      }
      const commands = [["multi"], ["incr", "n"], ["exec"]];
      const results = await client.pipeline(commands).exec();
      assertEquals(results!.every(([error]) => error !== null), true);
      assertEquals(await client.mget("a", "n"), [null, null]);
      // What came behind it on the lease runs.
      assertEquals(await leased.incr("n"), 1);
      assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
      await report({ row: 68, fault: `MULTI refused ${who}`, outcome: "nothing ran" });
    }));
}

for (const [who, options] of Object.entries(refusing("exec"))) {
  Deno.test(`EXEC refused ${who}: the callers beside it get their own replies`, () =>
    onStage(options, async ({ manager }) => {
      const client = manager.getClient("main");
      await client.set("k", "v");
      await assertRejects(() => client.multi().set("a", 1).exec());
      for (let i = 0; i < 20; i++) assertEquals(await client.get("k"), "v");
      assertEquals(await client.get("a"), null);
    }));
}

Deno.test("a chain on a lease keeps what is watched, also the first on its connection", () =>
  onStage({}, async ({ manager }) => {
    const client = manager.getClient("main");
    for (const isChanged of [false, true]) {
      await using lease = await manager.acquire("main");
      await lease.client.watch("k");
      if (isChanged) await client.set("k", "another's");
      const results = await lease.client.multi().set("k", "ours").exec();
      assertEquals(results, isChanged ? null : [[null, "OK"]]);
    }
    assertEquals(await client.get("k"), "another's");
  }));

Deno.test("an aborted chain whose MULTI is not answered yet never runs", () =>
  onStage({}, async ({ manager, server, relay }) => {
    const client = manager.getClient("main");
    await client.ping();
    relay.set({ toClient: { kind: "stall" } });
    const abort = new AbortController();
    const chain = client.with({ signal: abort.signal }).multi().incr("n").exec();
    const failing = assertRejects(() => chain, Error, "enough");
    abort.abort(new Error("enough"));
    await failing;
    relay.heal();
    assertEquals(await client.get("n"), null);
    assertEquals(await server.cli("GET", "n"), null);
  }));
