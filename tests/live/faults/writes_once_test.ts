/**
 * Writes that run once, in the worst weather: each is there exactly once, or was reported as
 * ambiguous with the reason; none is there twice, ever.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type RedisClient, RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { TokenLedger } from "../../support/accounting.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { Random } from "../../support/random.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { Child } from "./_child.ts";
import { report } from "./_report.ts";
import { IS_FULL, onStage } from "./_stage.ts";

/** Writes of all rows together: 100,000 in the full matrix. */
const WRITES = IS_FULL
  ? { cut: 60_000, killed: 25_000, sentinel: 6000, cluster: 6000, frozen: 3000 }
  : { cut: 3000, killed: 1500, sentinel: 500, cluster: 500, frozen: 200 };
const WRITERS = 40;
const RANDOM = new Random(Number(Deno.env.get("MOORING_ONCE_SEED") ?? Date.now() % 1e6));

/** What may make a write ambiguous although it runs once. */
const REASONS = /connection was lost|within \d+ ms/;

/** Appends tokens to lists until enough were tried; notes what each caller was told. */
class OnceWriters implements Disposable {
  readonly ledger = new TokenLedger();
  readonly ambiguous: Error[] = [];
  tried = 0;
  acknowledged = 0;
  readonly over: Promise<unknown>;
  #running = true;

  constructor(
    client: RedisClient,
    readonly keys: readonly string[],
    readonly most: number,
    pauseMs: number,
  ) {
    const write = async (i: number) => {
      while (this.#running && this.tried < this.most) {
        this.tried++;
        const key = keys[i % keys.length]!;
        const outcome = await this.ledger.run((token) =>
          client.rpush(key, token).catch((error) => {
            if (error.delivery === "ambiguous") this.ambiguous.push(error);
            throw error;
          })
        );
        if (outcome === "acknowledged") this.acknowledged++;
        if (pauseMs > 0 || outcome !== "acknowledged") await delay(Math.max(pauseMs, 1));
      }
    };
    this.over = Promise.all(Array.from({ length: WRITERS }, (_, i) => write(i)));
  }

  [Symbol.dispose](): void {
    this.#running = false;
  }

  /** Compares with the lists; what replication lost is allowed to be missing. */
  async judge(
    list: (key: string) => Promise<string[]>,
    { mayLose = false } = {},
  ): Promise<string> {
    const there: string[] = [];
    for (const key of this.keys) there.push(...await list(key));
    const { ok: _, ambiguousApplied, ambiguousLost, lost, ...verdict } = this.ledger
      .verdict(there);
    const shown = Deno.inspect({ seed: RANDOM.seed, lost, ...verdict });
    assertEquals(verdict, { doubles: [], ghosts: [], strangers: [], pending: [] }, shown);
    if (!mayLose) assertEquals(lost, [], shown);
    for (const { message } of this.ambiguous) assertMatch(message, REASONS);
    return `${this.acknowledged} acknowledged, ${this.ambiguous.length} ambiguous ` +
      `(${ambiguousApplied} of them ran, ${ambiguousLost} did not), 0 doubles, ` +
      `${lost.length} lost by replication`;
  }
}

function listOn(server: RedisServer): (key: string) => Promise<string[]> {
  return async (key) => await server.cli("LRANGE", key, 0, -1) as string[];
}

Deno.test("connections are cut after writes ran and before: each is there once", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    using writers = new OnceWriters(
      client.with({ once: true }),
      ["log"],
      WRITES.cut,
      0,
    );
    const isOver = { value: false };
    writers.over.then(() => isOver.value = true);
    let cuts = 0;
    while (!isOver.value) {
      const afterBytes = RANDOM.below(2000);
      const cut = {
        kind: "cut",
        how: RANDOM.pick(["reset", "end"]),
        afterBytes,
      } as const;
      const side = RANDOM.pick(["toClient", "toServer"]);
      const before = writers.acknowledged;
      for (const connection of relay.connections) connection.set({ [side]: cut });
      cuts++;
      // Most writes are not lost more often than they may be sent again.
      await waitFor(() => isOver.value || writers.acknowledged > before + WRITERS * 3, {
        timeoutMs: 60_000,
        everyMs: 1,
      });
    }
    await writers.over;
    const outcome = await writers.judge(listOn(server));
    const { totalRetryAttempts } = manager.getStatistics().databaseStats.main!;
    assert(totalRetryAttempts > cuts / 2, `${totalRetryAttempts} retries, ${cuts} cuts`);
    assert(writers.acknowledged > writers.tried * 0.98, outcome);
    await report({ row: 70, fault: `once: connections cut ${cuts} times`, outcome });
  }));

Deno.test("the server is killed and restarted with appendfsync always: each is there once", () =>
  onStage(
    { server: { persistence: "aof" }, manager: { commandTimeoutMs: 10_000 } },
    async ({ server, manager }) => {
      const client = manager.getClient("main");
      using writers = new OnceWriters(
        client.with({ once: true }),
        ["log"],
        WRITES.killed,
        2,
      );
      const isOver = { value: false };
      writers.over.then(() => isOver.value = true);
      let kills = 0;
      while (!isOver.value) {
        const before = writers.acknowledged;
        await waitFor(() => isOver.value || writers.acknowledged > before + 250, {
          timeoutMs: 60_000,
          everyMs: 2,
        });
        if (isOver.value) break;
        await server.kill();
        await server.restart();
        kills++;
      }
      const outcome = await writers.judge(listOn(server));
      assert(kills >= 3, `${kills} kills`);
      const untold = `${outcome}: ${writers.ambiguous[0]?.message}`;
      assert(writers.ambiguous.length < writers.tried * 0.02, untold);
      await report({
        row: 70,
        fault: `once: killed ${kills} times (AOF always)`,
        outcome,
      });
    },
  ));

Deno.test("the primary of sentinels is killed: what its heir has is there once", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  await using manager = new RedisConnectionManager({
    mode: "sentinel",
    nodes: redis.endpoints,
    sentinelName: redis.name,
    commandTimeoutMs: 20_000,
    connectTimeoutMs: 2000,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main").with({ once: true });
  await client.set("first", 1);
  // Servers that are there for longer than a write: a second, as they say it.
  await delay(1100);
  const old = await redis.primary();
  using writers = new OnceWriters(client, ["log"], WRITES.sentinel, 2);
  await waitFor(() => writers.acknowledged > WRITES.sentinel / 4, { timeoutMs: 60_000 });
  await old.kill();
  const heir = await redis.untilPrimaryIsNot(old);
  await writers.over;
  const outcome = await writers.judge(listOn(heir), { mayLose: true });
  assertEquals(writers.ambiguous, [], outcome);
  await report({ row: 70, fault: "once: sentinel, primary killed", outcome });
});

Deno.test("a primary of a cluster is killed: what its heir has is there once", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 1 });
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    commandTimeoutMs: 20_000,
    connectTimeoutMs: 3000,
    databases: { main: {} },
  });
  const client = manager.getClient("main").with({ once: true });
  const keys = Array.from({ length: 20 }, (_, i) => `log:${i}`);
  for (const key of keys) await client.set(`first:{${key}}`, 1);
  await delay(1100);
  using writers = new OnceWriters(client, keys, WRITES.cluster, 2);
  await waitFor(() => writers.acknowledged > WRITES.cluster / 4, { timeoutMs: 60_000 });
  const old = await cluster.ownerOf(keys[0]!);
  await old.kill();
  await cluster.untilOwnerIsNot(old, keys[0]!);
  await writers.over;
  const list = async (key: string) => await listOn(await cluster.ownerOf(key))(key);
  const outcome = await writers.judge(list, { mayLose: true });
  assertEquals(writers.ambiguous, [], outcome);
  await report({ row: 70, fault: "once: cluster, primary killed", outcome });
});

const CUT = { kind: "cut", afterBytes: 0, how: "reset" } as const;

Deno.test("a server that forgot what it ran last is not written to again, and the caller is told why", () =>
  onStage(
    { manager: { commandTimeoutMs: 10_000 } },
    async ({ server, relay, manager }) => {
      const client = manager.getClient("main").with({ once: true });
      await client.set("other", 1);
      for (const kind of ["restarted", "evicting"] as const) {
        await server.cli("DEL", "n");
        await client.set("other", 1);
        if (kind === "evicting") {
          await server.cli("CONFIG", "SET", "maxmemory", "1gb");
          await server.cli("CONFIG", "SET", "maxmemory-policy", "volatile-ttl");
          // What a connection says of its server is asked when the connection is new.
          relay.connections.at(-1)!.set({ toServer: CUT });
          await client.get("other");
          await client.set("other", 1);
        }
        const lost = relay.connections.at(-1)!;
        lost.set({ toClient: { kind: "stall" } });
        const outcome = client.incr("n").catch((error) => error);
        await waitFor(async () => await server.cli("GET", "n") === "1");
        // The write is there, and somebody may have seen it; then it is not.
        if (kind === "restarted") {
          server.pause();
          lost.reset();
          await server.kill();
          await server.restart();
        } else {
          for (const key of await server.cli("KEYS", "mooring:once:*") as string[]) {
            await server.cli("DEL", key);
          }
          relay.reset();
        }
        const error = await outcome;
        assertEquals(error.delivery, "ambiguous", Deno.inspect(error));
        // How it looks depends on what the connection that was cut knew of the server.
        const why = {
          restarted: /started anew|do not continue/,
          evicting: /volatile-ttl/,
        };
        assertMatch(error.message, why[kind]);
        assertEquals(await server.cli("GET", "n"), kind === "restarted" ? null : "1");
      }
    },
  ));

Deno.test("pipelines and transactions whose replies are swallowed run once", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main").with({ once: true });
    for (let round = 1; round <= 20; round++) {
      await client.incr("warm");
      relay.connections.at(-1)!.set({ toClient: CUT });
      const batch = client.pipeline();
      for (let i = 0; i < 40; i++) batch.incr("pipeline");
      const replies = await batch.exec();
      assertEquals(replies, replies!.map((_, i) => [null, (round - 1) * 40 + i + 1]));
      await client.incr("warm");
      relay.connections.at(-1)!.set({ toClient: CUT });
      const results = await client.multi().incr("multi").incr("multi").exec();
      assertEquals(results, [[null, round * 2 - 1], [null, round * 2]]);
    }
    assertEquals(await server.cli("MGET", "pipeline", "multi"), ["800", "40"]);
  }));

Deno.test("attempts that the network held back and delivers late do not run", async () => {
  const attempts: string[][] = [];
  await using server = await RedisServer.start();
  await using relay = await FaultProxy.start({
    to: server,
    script: (command) => {
      if (/^eval/.test(command[0]!)) attempts.push(command);
      return undefined;
    },
  });
  await using manager = new RedisConnectionManager({
    host: relay.host,
    port: relay.port,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  const once = client.with({ once: true, timeoutMs: 300, onceTtlMs: 300 });
  // By the second one the server has said what time it is.
  await once.set("known", 1);
  await once.set("known", 1);
  assertEquals(await once.incr("n"), 1);
  const late = attempts.at(-1)!;
  // Until its token is used again, it is remembered.
  assertEquals(await server.cli(...late), [1]);
  assertEquals(await once.incr("n"), 2);
  assertStringIncludes(String(await server.cli(...late)), "ONCE superseded");
  await waitFor(async () => (await server.cli("KEYS", "mooring:*") as []).length === 0);
  assertStringIncludes(String(await server.cli(...late)), "ONCE late");
  assertEquals(await server.cli("GET", "n"), "2");
  assertEquals(await once.incr("n"), 3);
});

Deno.test("a client that is frozen past its deadlines has each write done once or ambiguous", async () => {
  await using server = await RedisServer.start({ persistence: "aof" });
  await using child = Child.start("_once_child.ts", [
    String(server.port),
    String(WRITES.frozen),
  ]);
  for (let frozen = 0; frozen < 3; frozen++) {
    const before = Number(await server.cli("LLEN", "log"));
    await waitFor(async () => Number(await server.cli("LLEN", "log")) > before + 10);
    child.freeze();
    await server.restart();
    await delay(IS_FULL ? 12_000 : 2500);
    child.thaw();
  }
  const told = JSON.parse(await child.hear()) as Record<string, string[]>;
  const log = await server.cli("LRANGE", "log", 0, -1) as string[];
  const there = new Set(log);
  assertEquals(there.size, log.length, "nothing is there twice");
  assertEquals(told.acknowledged!.filter((token) => !there.has(token)), []);
  const known = new Set([...told.acknowledged!, ...told.ambiguous!]);
  assertEquals(log.filter((token) => !known.has(token)), []);
  assert(told.acknowledged!.length > 10);
  await report({
    row: 70,
    fault: "once: client frozen 3 times, server restarted",
    outcome: `${told.acknowledged!.length} acknowledged, ` +
      `${told.ambiguous!.length} ambiguous, 0 doubles`,
  });
});
