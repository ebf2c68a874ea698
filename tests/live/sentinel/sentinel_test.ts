import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import {
  AuthError,
  ConnectError,
  type ManagerOptions,
  RedisConnectionManager,
} from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import {
  SentinelTopology,
  type SentinelTopologyOptions,
} from "../../../src/testing/sentinel_topology.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";

const QUICK = { attempts: 3, minMs: 20, maxMs: 50, jitter: 0 };

/** Nobody is to be missed here: on a busy machine a second of silence means nothing. */
const STEADY = { quick: true, downAfterMs: 60_000 } as const;

/** A manager that finds its primary by the sentinels; nothing may be left over. */
async function withSentinels(
  { topology, manager }: {
    topology?: SentinelTopologyOptions;
    manager?: (redis: SentinelTopology) => ManagerOptions;
  },
  test: (redis: SentinelTopology, manager: RedisConnectionManager) => Promise<void>,
): Promise<void> {
  await using redis = await SentinelTopology.start({ ...STEADY, ...topology });
  const all = [...redis.servers, ...redis.sentinels];
  {
    await using made = new RedisConnectionManager({
      mode: "sentinel",
      nodes: redis.endpoints,
      sentinelName: redis.name,
      commandTimeoutMs: 20_000,
      connectTimeoutMs: 10_000,
      connectRetry: QUICK,
      databases: { main: { db: 0 } },
      ...manager?.(redis),
    });
    await test(redis, made);
  }
  for (const server of all.filter(({ running }) => running)) {
    await assertNoConnectionsLeft(server, "mooring:");
  }
}

/** Names of the connections of ours that a server has. */
async function namesAt(server: RedisServer): Promise<string[]> {
  const list = String(await server.cli("CLIENT", "LIST"));
  return [...list.matchAll(/ name=(mooring:\S+)/g)].map(([, name]) => name!).sort();
}

Deno.test("sentinel: the primary is found, and nothing is open before and afterwards", () =>
  withSentinels({}, async (redis, manager) => {
    const primary = await redis.primary();
    for (const sentinel of redis.sentinels) assertEquals(await namesAt(sentinel), []);
    assertMatch(
      manager.listDatabases()[0]!.endpoint,
      /^sentinel mymaster at 127\.0\.0\.1/,
    );
    assertEquals(await manager.getClient("main").incr("n"), 1);
    assertEquals(await primary.cli("GET", "n"), "1");
    assertEquals(
      manager.listDatabases()[0]!.endpoint,
      `${primary.host}:${primary.port}`,
    );
    // Each sentinel is listened to; the question was asked on a connection of its own.
    await waitFor(async () => {
      const names = await Promise.all(redis.sentinels.map(namesAt));
      return names.every((each) => each.join() === "mooring:main:sentinel");
    }, { what: "one connection to each sentinel" });
  }));

Deno.test("sentinel: a dead sentinel is passed over, and one that was only learned is enough", () =>
  withSentinels(
    {
      manager: (redis) => ({ nodes: redis.endpoints.slice(0, 2) }),
    },
    async (redis, manager) => {
      await redis.sentinels[0]!.kill();
      const client = manager.getClient("main");
      assertEquals(await client.incr("n"), 1);
      // Now the third one, which nobody configured, is the only one that lives.
      await redis.sentinels[1]!.kill();
      const primary = redis.servers[0]!;
      await primary.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await delay(20);
      assertEquals(await client.incr("n"), 2);
    },
  ));

Deno.test("sentinel: when none answers, the error names each one and what it said", () =>
  withSentinels({}, async (redis, manager) => {
    for (const sentinel of redis.sentinels) await sentinel.kill();
    const error = await manager.getClient("main").ping().catch((error) => error);
    assertInstanceOf(error, ConnectError);
    assertEquals(error.attempts, 3);
    for (const { host, port } of redis.endpoints) {
      assert(error.message.includes(`${host}:${port}: `), error.message);
    }
    assertMatch(error.message, /no sentinel could name the primary "mymaster"/);
    assertMatch(error.message, /ECONNREFUSED|refused/);
  }));

Deno.test("sentinel: a name that no sentinel knows fails at once", () =>
  withSentinels(
    { manager: () => ({ sentinelName: "mistress" }) },
    async (_redis, manager) => {
      const error = await manager.getClient("main").ping().catch((error) => error);
      assertInstanceOf(error, ConnectError);
      assertEquals([error.attempts, error.retryable], [1, false]);
      assertMatch(error.message, /it knows no primary "mistress"/);
    },
  ));

Deno.test("sentinel: sentinels have a password of their own, and it is in no error", () =>
  withSentinels(
    {
      topology: { password: "of-the-data", sentinelPassword: "of-the-sentinels" },
      manager: () => ({
        databases: {
          main: { password: "of-the-data", sentinelPassword: "of-the-sentinels" },
          wrong: { password: "of-the-data", sentinelPassword: "s3cret-and-wrong" },
        },
      }),
    },
    async (_redis, manager) => {
      assertEquals(await manager.getClient("main").incr("n"), 1);
      const error = await manager.getClient("wrong").ping().catch((error) => error);
      assertInstanceOf(error, AuthError);
      assertMatch(error.message, /WRONGPASS/);
      const shown = Deno.inspect([error, manager.config, manager.config.explain()], {
        depth: 9,
      });
      assert(!/s3cret-and-wrong|of-the-sentinels/.test(shown), shown);
    },
  ));

/** A sentinel that calls a server its primary, whatever that is, since some failover. */
function sentinelOf({ host, port }: RedisServer, epoch = 0): Promise<RedisServer> {
  return RedisServer.start({
    args: ["--sentinel"],
    config: {
      sentinel: [
        `monitor mymaster ${host} ${port} 2`,
        `config-epoch mymaster ${epoch}`,
        "down-after-milliseconds mymaster 60000",
      ],
    },
  });
}

function managerOf(sentinels: RedisServer[]): RedisConnectionManager {
  return new RedisConnectionManager({
    mode: "sentinel",
    nodes: sentinels.map(({ host, port }) => ({ host, port })),
    sentinelName: "mymaster",
    connectTimeoutMs: 2000,
    connectRetry: { ...QUICK, attempts: 1 },
    databases: { main: { db: 0 } },
  });
}

Deno.test("sentinel: a server that says that it is a replica is not used, and the others are asked", async () => {
  await using primary = await RedisServer.start();
  const replicaof = `${primary.host} ${primary.port}`;
  await using replica = await RedisServer.start({ config: { replicaof } });
  await using wrong = await sentinelOf(replica);
  {
    await using manager = managerOf([wrong]);
    const error = await manager.getClient("main").ping().catch((error) => error);
    assertInstanceOf(error, ConnectError);
    assertEquals(error.attempts, 1);
    assertMatch(error.message, /and it says that it is a replica/);
    assert(error.message.includes(`${replica.host}:${replica.port}`), error.message);
    await waitFor(async () => (await namesAt(replica)).length === 0);
  }
  await using right = await sentinelOf(primary);
  {
    await using manager = managerOf([wrong, right]);
    assertEquals(await manager.getClient("main").incr("n"), 1);
    assertEquals(await primary.cli("GET", "n"), "1");
    await waitFor(async () => (await namesAt(replica)).length === 0);
  }
  for (const server of [primary, replica, wrong, right]) {
    await assertNoConnectionsLeft(server, "mooring:");
  }
});

Deno.test("sentinel: when the sentinel that is listened to dies, another one is", () =>
  withSentinels({}, async (redis, manager) => {
    await manager.getClient("main").ping();
    const listened = async () => {
      for (const sentinel of redis.sentinels.filter(({ running }) => running)) {
        if ((await namesAt(sentinel)).length > 0) return sentinel;
      }
    };
    const first = await waitFor(listened, { what: "a connection to a sentinel" });
    await first.kill();
    const second = await waitFor(listened, { what: "a connection to another one" });
    assert(second !== first);
  }));

/** Ends the connections of a manager to a server. */
async function cut(server: RedisServer): Promise<void> {
  await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
}

Deno.test("sentinel: one that missed a failover leads no connection back to the old primary", async () => {
  await using oldPrimary = await RedisServer.start();
  await using newPrimary = await RedisServer.start();
  await using knows = await sentinelOf(newPrimary, 5);
  await using missed = await sentinelOf(oldPrimary, 4);
  {
    await using manager = managerOf([knows, missed]);
    const client = manager.getClient("main");
    const moves: string[] = [];
    manager.addEventListener("failover", ({ detail }) => moves.push(detail.to));
    assertEquals(await client.incr("n"), 1);
    await waitFor(async () => (await namesAt(knows)).length === 1);
    const asked = async () =>
      Number((await missed.info("stats")).total_connections_received);
    const before = await asked();
    await knows.kill();
    // What begins to listen to the one that is behind asks it where the primary is.
    await missed.cli("CLIENT", "KILL", "TYPE", "pubsub");
    await waitFor(async () => moves.length > 0 || await asked() > before);
    await waitFor(async () => moves.length > 0 || (await namesAt(missed)).length === 1);
    assertEquals([await client.incr("n"), moves], [2, []]);
    await cut(newPrimary);
    const error = await waitFor(() => client.get("n").then(() => null, (e) => e));
    assertInstanceOf(error, ConnectError);
    assertMatch(error.message, /it is behind: it knows of failover 4, and 5 was known/);
    assertEquals(await namesAt(oldPrimary), []);
  }
  for (const server of [oldPrimary, newPrimary, missed]) {
    await assertNoConnectionsLeft(server, "mooring:");
  }
});

Deno.test("sentinel: those that were set up anew are followed, as there are no others", async () => {
  await using first = await RedisServer.start();
  await using second = await RedisServer.start();
  await using sentinel = await sentinelOf(first, 5);
  await using manager = managerOf([sentinel]);
  const client = manager.getClient("main");
  assertEquals(await client.incr("n"), 1);
  await sentinel.cli("SENTINEL", "REMOVE", "mymaster");
  const { host, port } = second;
  await sentinel.cli("SENTINEL", "MONITOR", "mymaster", host, String(port), "2");
  await cut(first);
  await waitFor(() => client.incr("n"));
  assertEquals(Number(await second.cli("EXISTS", "n")), 1);
});

Deno.test("sentinel: a primary that refuses writes for want of replicas makes the sentinels be asked", async () => {
  await using left = await RedisServer.start();
  await using next = await RedisServer.start();
  await using sentinel = await sentinelOf(left, 0);
  await using manager = managerOf([sentinel]);
  const client = manager.getClient("main");
  assertEquals(await client.incr("n"), 1);
  // The sentinels name another one, and nobody has heard of it.
  await sentinel.cli("SENTINEL", "REMOVE", "mymaster");
  const { host, port } = next;
  await sentinel.cli("SENTINEL", "MONITOR", "mymaster", host, String(port), "2");
  assertEquals(await client.incr("n"), 2);
  await left.cli("CONFIG", "SET", "min-replicas-to-write", "1");
  const moves: string[] = [];
  manager.addEventListener("failover", ({ detail }) => moves.push(detail.to));
  const error = await client.incr("n").then(() => null, (error) => error);
  assertMatch(String(error), /NOREPLICAS/);
  await waitFor(() => client.incr("n").catch(() => undefined), { timeoutMs: 30_000 });
  assertEquals(moves, [`${host}:${port}`]);
  assert(Number(await next.cli("GET", "n")) > 0);
});
