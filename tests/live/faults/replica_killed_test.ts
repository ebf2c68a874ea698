import { assert, assertEquals } from "@std/assert";
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";
import { waitFor } from "../../support/clients.ts";
import { callsOf, untilCaughtUp } from "../../support/replication.ts";
import { assertNothingHeld } from "../../support/left_over.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { report } from "./_report.ts";
import { Stopwatch } from "./_stage.ts";

const CALLERS = 200;

/** Reads that check what they get, as fast as they can, until they are stopped. */
class Readers {
  readonly errors: Error[] = [];
  readonly wrong: unknown[] = [];
  served = 0;
  #isStopped = false;
  readonly #running: Promise<unknown>;

  constructor(read: () => Promise<unknown>) {
    this.#running = Promise.all(Array.from({ length: CALLERS }, async () => {
      while (!this.#isStopped) {
        try {
          const value = await read();
          if (value !== "v") this.wrong.push(value);
          this.served++;
        } catch (error) {
          this.errors.push(error as Error);
        }
      }
    }));
  }

  /** Waits until so many more reads were answered. */
  async more(count: number): Promise<void> {
    const enough = this.served + count;
    await waitFor(() => this.served >= enough || this.errors.length > 0, {
      timeoutMs: 60_000,
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }
}

async function underLoad(
  options: ManagerOptions,
  [primary, replica, other]: readonly [RedisServer, RedisServer, RedisServer],
  row: number,
  mode: string,
): Promise<void> {
  // A reader of replicas alone has one that lives.
  for (const readFrom of ["prefer_replica", "replica"] as const) {
    await using manager = new RedisConnectionManager({
      ...options,
      readFrom,
      databases: { main: {} },
    });
    const client = manager.getClient("main");
    await client.set("k", "v");
    await untilCaughtUp(primary, [replica, other]);
    const stateOf = () =>
      manager.getHealthStatus().databases.main!.replicas
        ?.find(({ endpoint }) => endpoint.endsWith(`:${replica.port}`))?.state;
    const readers = new Readers(() => client.get("k"));
    await readers.more(5000);
    assert(await callsOf(replica, "get") > 0, "the replica serves");
    await replica.kill();
    await readers.more(5000);
    assertEquals(stateOf(), "left_out");
    const before = await callsOf(other, "get");
    await readers.more(2000);
    assert(await callsOf(other, "get") > before, "the other one serves");
    await replica.restart();
    using watch = new Stopwatch();
    await waitFor(() => stateOf() === "in_sync", { timeoutMs: 60_000, everyMs: 5 });
    const { ms: recoveredMs } = watch.read();
    await readers.more(5000);
    assert(await callsOf(replica, "get") > 0, "it serves again");
    await readers.stop();
    assertEquals(readers.errors.slice(0, 3).map(String), []);
    assertEquals(readers.wrong.slice(0, 3), []);
    const { replicaFallbacks } = manager.getStatistics().databaseStats.main!;
    assert(replicaFallbacks > 0, "some reads were in flight");
    await manager.closeAll();
    assertNothingHeld(manager);
    await report({
      row,
      fault: `replica killed under ${CALLERS} readers, ${mode}, ${readFrom}`,
      outcome: `0 of ${readers.served} reads failed; ${replicaFallbacks} went elsewhere`,
      recoveredMs,
    });
  }
}

Deno.test("sentinel: a replica is killed under load: no read fails, and it serves again", async () => {
  await using redis = await SentinelTopology.start({ replicas: 2, quick: true });
  const [replica, other] = await redis.replicas();
  await underLoad(
    { mode: "sentinel", nodes: redis.endpoints, sentinelName: redis.name },
    [await redis.primary(), replica!, other!],
    73,
    "sentinel",
  );
});

Deno.test("cluster: a replica is killed under load: no read fails, and it serves again", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 1, replicasEach: 2 });
  const [primary, replica, other] = cluster.nodes;
  await underLoad(
    { mode: "cluster", nodes: cluster.endpoints },
    [primary!, replica!, other!],
    73,
    "cluster",
  );
});
