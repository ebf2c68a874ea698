import { assert, assertEquals } from "@std/assert";
import { delay, waitFor } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { onStage, timed } from "./_stage.ts";

const LET_DIR_BE_SET = { server: { config: { "enable-protected-configs": "local" } } };

Deno.test("row 19: OOM, NOSCRIPT, WRONGTYPE, NOREPLICAS and MISCONF pass through at once", () =>
  onStage(LET_DIR_BE_SET, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.lpush("list", "a");
    const codes: string[] = [];
    const note = async (promise: Promise<unknown>) => {
      const { ms, error } = await timed(promise);
      assertEquals((error as Error)?.name, "ReplyError");
      assert(ms < 200, `took ${ms} ms`);
      codes.push((error as Error).message.split(" ")[0]!);
    };
    await note(client.get("list"));
    await note(client.evalsha("0".repeat(40), 0));
    await server.cli("CONFIG", "SET", "maxmemory", "1");
    await note(client.set("k", "v"));
    await server.cli("CONFIG", "SET", "maxmemory", "0");
    await server.cli("CONFIG", "SET", "min-replicas-to-write", "1");
    await note(client.set("k", "v"));
    await server.cli("CONFIG", "SET", "min-replicas-to-write", "0");
    // Where nothing can be saved, writes are refused after the first save that failed.
    const scratch = await Deno.makeTempDir();
    await server.cli("CONFIG", "SET", "dir", scratch);
    await server.cli("CONFIG", "SET", "save", "3600 1");
    await Deno.remove(scratch);
    await server.cli("BGSAVE");
    await waitFor(async () =>
      (await server.info("persistence")).rdb_last_bgsave_status === "err"
    );
    await note(client.set("k", "v"));
    await server.cli("CONFIG", "SET", "save", "");
    assertEquals(codes, ["WRONGTYPE", "NOSCRIPT", "OOM", "NOREPLICAS", "MISCONF"]);
    assertEquals(await client.set("k", "v"), "OK");
    assertEquals(manager.getStatistics().databaseStats.main!.totalRetryAttempts, 0);
  }));

Deno.test("row 19: CROSSSLOT of a cluster's node passes through at once", () =>
  onStage(
    { server: { config: { "cluster-enabled": "yes" } } },
    async ({ server, manager }) => {
      await server.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
      await waitFor(async () =>
        String(await server.cli("CLUSTER", "INFO")).includes("cluster_state:ok")
      );
      const { ms, error } = await timed(manager.getClient("main").mset("a", 1, "b", 2));
      assertEquals((error as Error)?.name, "ReplyError");
      assertEquals((error as Error).message.split(" ")[0], "CROSSSLOT");
      assert(ms < 200, `took ${ms} ms`);
      assertEquals(manager.getStatistics().databaseStats.main!.totalRetryAttempts, 0);
    },
  ));

Deno.test("row 19: BUSY is waited for within the deadline", () =>
  onStage(
    {
      manager: { commandTimeoutMs: 4000 },
      server: { config: { "busy-reply-threshold": "20" } },
    },
    async ({ server, manager }) => {
      const client = manager.getClient("main");
      await client.set("n", 0);
      const looper = await server.connect();
      const killer = await server.connect();
      const looping = looper.send("EVAL", "while true do end", "0");
      await delay(100);
      const waiting = [timed(client.incr("n")), timed(client.incr("n"))];
      await delay(300);
      await killer.send("SCRIPT", "KILL");
      await looping;
      const results = await Promise.all(waiting);
      assertEquals(results.map(({ value }) => value).sort(), [1, 2]);
      assert(results[0]!.ms >= 250, `took ${results[0]!.ms} ms`);
      looper.close();
      killer.close();
      await report({
        row: 19,
        fault: "OOM, NOSCRIPT, WRONGTYPE, NOREPLICAS, MISCONF, CROSSSLOT; BUSY",
        outcome: "passed through; waited for",
      });
    },
  ));

Deno.test("row 19: MASTERDOWN is waited for until the replica has its primary or serves without", () =>
  onStage({ manager: { commandTimeoutMs: 4000 } }, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await server.cli("SET", "k", "v");
    await client.get("k");
    await delay(300);
    await server.cli("CONFIG", "SET", "replica-serve-stale-data", "no");
    await server.cli("REPLICAOF", "127.0.0.1", "1");
    const waiting = timed(client.get("k"));
    await delay(500);
    await server.cli("REPLICAOF", "NO", "ONE");
    const { ms, value } = await waiting;
    assertEquals(value, "v");
    assert(ms >= 450 && ms < 1500, `took ${ms} ms`);
    const { circuitBreaker } = manager.getHealthStatus().databases.main!;
    assertEquals(circuitBreaker, "closed");
  }));
