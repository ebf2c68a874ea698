import { assertEquals } from "@std/assert";
import { delay, waitFor } from "../../support/clients.ts";
import { keepBusy, SOON_BUSY } from "./_busy.ts";
import { report } from "./_report.ts";
import { assertTook, onStage, timed } from "./_stage.ts";

const LET_DIR_BE_SET = { server: { config: { "enable-protected-configs": "local" } } };

Deno.test("OOM, NOSCRIPT, WRONGTYPE, NOREPLICAS and MISCONF pass through at once", () =>
  onStage(LET_DIR_BE_SET, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.lpush("list", "a");
    const codes: string[] = [];
    const note = async (promise: Promise<unknown>) => {
      const told = await timed(promise);
      const { error } = told;
      assertEquals((error as Error)?.name, "ReplyError");
      assertTook(told, { most: 200 });
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

Deno.test("CROSSSLOT of a cluster's node passes through at once", () =>
  onStage(
    { server: { config: { "cluster-enabled": "yes" } } },
    async ({ server, manager }) => {
      await server.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
      await waitFor(async () =>
        String(await server.cli("CLUSTER", "INFO")).includes("cluster_state:ok")
      );
      const client = manager.getClient("main");
      await client.ping();
      const told = await timed(client.mset("a", 1, "b", 2));
      const { error } = told;
      assertEquals((error as Error)?.name, "ReplyError");
      assertEquals((error as Error).message.split(" ")[0], "CROSSSLOT");
      assertTook(told, { most: 200 });
      assertEquals(manager.getStatistics().databaseStats.main!.totalRetryAttempts, 0);
    },
  ));

Deno.test("BUSY is waited for within the deadline", () =>
  onStage(
    {
      manager: { commandTimeoutMs: 20_000 },
      server: SOON_BUSY,
    },
    async ({ server, manager }) => {
      const client = manager.getClient("main");
      await client.set("n", 0);
      const end = await keepBusy(server);
      const waiting = [timed(client.incr("n")), timed(client.incr("n"))];
      await delay(300);
      await end();
      const results = await Promise.all(waiting);
      assertEquals(results.map(({ value }) => value).sort(), [1, 2]);
      assertTook(results[0]!, { least: 150 });
      await report({
        row: 19,
        fault: "OOM, NOSCRIPT, WRONGTYPE, NOREPLICAS, MISCONF, CROSSSLOT; BUSY",
        outcome: "passed through; waited for",
      });
    },
  ));

Deno.test("MASTERDOWN is waited for until the replica has its primary or serves without", () =>
  onStage({ manager: { commandTimeoutMs: 20_000 } }, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await server.cli("SET", "k", "v");
    await client.get("k");
    await delay(300);
    await server.cli("CONFIG", "SET", "replica-serve-stale-data", "no");
    await server.cli("REPLICAOF", "127.0.0.1", "1");
    const waiting = timed(client.get("k"));
    await delay(500);
    await server.cli("REPLICAOF", "NO", "ONE");
    const told = await waiting;
    assertEquals(told.value, "v");
    assertTook(told, { least: 350, most: 1500 });
    const { circuitBreaker } = manager.getHealthStatus().databases.main!;
    assertEquals(circuitBreaker, "closed");
  }));
