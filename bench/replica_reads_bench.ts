/**
 * What two replicas bring: reads of a primary and two replicas (`read_from: prefer_replica`)
 * against reads of the primary alone, in turns, in one process; and what it costs the callers
 * when a replica is killed meanwhile.
 *
 *     deno run -A bench/replica_reads_bench.ts [--rounds N] [--check]
 *
 * `slow` reads keep a server busy for about a millisecond each (a script that only computes), so
 * that the servers are the limit: the most to be had is two replicas' worth, 2, and as many
 * cores as there are. `get` are GETs of 100 bytes, where this process is the limit. With
 * `--check` it ends with 1 if a read failed, or slow reads did not gain a fifth.
 */
import { RedisConnectionManager } from "../mod.ts";
import { SentinelTopology } from "../src/testing/sentinel_topology.ts";
import { waitFor } from "../src/testing/wait.ts";
import {
  type BenchFlags,
  inTurns,
  markdownTable,
  median,
  PREFIX,
  quantile,
  ratioOf,
  runLoad,
  runProgram,
} from "./kit.ts";

const ROUND_MS = 1000;
const CALLERS = 64;
const KEY = `${PREFIX}replicas`;
const BUSY =
  "local n = 0 for i = 1, 100000 do n = n + i end return redis.call('GET', KEYS[1])";
/** Least gain of slow reads: two cores that are not idle bring no more. */
const BOUND = 1.2;

type Client = ReturnType<RedisConnectionManager["getClient"]>;

const READS: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  slow: (client) => client.call("EVAL_RO", BUSY, 1, KEY),
  get: (client) => client.get(KEY),
};

/** Reads a second over one round, the slowest one in milliseconds, and failures. */
async function round(client: Client, read: (client: Client) => Promise<unknown>) {
  let failed = 0;
  const call = () => read(client).catch(() => failed++);
  const { perSecond, times } = await runLoad({
    callers: CALLERS,
    durationMs: ROUND_MS,
    call,
  });
  return { perSecond, slowestMs: quantile(times, 1), failed };
}

async function runReplicaReads({ rounds = 5 }: BenchFlags): Promise<number> {
  await using redis = await SentinelTopology.start({ replicas: 2, downAfterMs: 60_000 });
  await using manager = new RedisConnectionManager({
    ...{ mode: "sentinel", nodes: redis.endpoints, sentinelName: redis.name },
    databases: { main: {} },
  });
  const primary = manager.getClient("main");
  const spread = primary.with({ readFrom: "prefer_replica" });
  await primary.set(KEY, "x".repeat(100));
  const inSync = () =>
    manager.getHealthStatus().databases.main!.replicas
      ?.filter(({ state }) => state === "in_sync").length;
  await spread.get(KEY);
  await waitFor(() => inSync() === 2, { timeoutMs: 60_000 });

  const rows: string[][] = [];
  let failures = 0;
  let gain = 0;
  for (const [name, read] of Object.entries(READS)) {
    const found = await inTurns([primary, spread], rounds, async (client) => {
      const { failed, perSecond } = await round(client, read);
      failures += failed;
      return perSecond;
    });
    const [alone, all] = [...found.values()] as [number[], number[]];
    const ratio = ratioOf(all, alone).median;
    if (name === "slow") gain = ratio;
    rows.push([
      name,
      `${Math.round(median(alone))}`,
      `${Math.round(median(all))}`,
      ratio.toFixed(2),
    ]);
  }
  console.log(
    markdownTable([["reads", "primary alone /s", "two replicas /s", "ratio"], ...rows]),
  );

  const [victim] = await redis.replicas();
  const before = await round(spread, READS.get!);
  const killing = new Promise((resolve) => setTimeout(resolve, ROUND_MS / 3))
    .then(() => victim!.kill());
  const during = await round(spread, READS.get!);
  await killing;
  failures += before.failed + during.failed;
  const { replicaFallbacks } = manager.getStatistics().databaseStats.main!;
  console.log(
    `a replica killed under ${CALLERS} callers: ${during.failed} reads failed, ` +
      `${replicaFallbacks} went elsewhere; the slowest took ${
        during.slowestMs.toFixed(1)
      } ms ` +
      `(${before.slowestMs.toFixed(1)} ms before)`,
  );
  return failures === 0 && gain >= BOUND ? 0 : 1;
}

if (import.meta.main) await runProgram(runReplicaReads);
