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
import { type Column, tableLines } from "../src/cli/table.ts";
import { SentinelTopology } from "../src/testing/sentinel_topology.ts";
import { waitFor } from "../src/testing/wait.ts";

const ROUND_MS = 1000;
const CALLERS = 64;
const KEY = "mooring:bench:replicas";
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
  const startedAt = performance.now();
  let [count, slowestMs, failed] = [0, 0, 0];
  const caller = async () => {
    for (let at = performance.now(); at < startedAt + ROUND_MS;) {
      await read(client).catch(() => failed++);
      const now = performance.now();
      slowestMs = Math.max(slowestMs, now - at);
      count++;
      at = now;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return { perSecond: count * 1000 / (performance.now() - startedAt), slowestMs, failed };
}

const median = (numbers: number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

const rounds = Number(Deno.args[Deno.args.indexOf("--rounds") + 1] || 5) || 5;
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

const rows: Record<string, string | number>[] = [];
let failures = 0;
let gain = 0;
for (const [name, read] of Object.entries(READS)) {
  const alone: number[] = [];
  const all: number[] = [];
  for (let i = 0; i <= rounds; i++) {
    const one = await round(primary, read);
    const three = await round(spread, read);
    failures += one.failed + three.failed;
    // The first one warms up.
    if (i === 0) continue;
    alone.push(one.perSecond);
    all.push(three.perSecond);
  }
  const ratio = median(all.map((perSecond, i) => perSecond / alone[i]!));
  if (name === "slow") gain = ratio;
  rows.push({
    reads: name,
    primary: Math.round(median(alone)),
    replicas: Math.round(median(all)),
    ratio: ratio.toFixed(2),
  });
}
const columns: readonly Column<(typeof rows)[number]>[] = [
  { title: "reads", cell: (row) => String(row.reads) },
  { title: "primary alone /s", cell: (row) => String(row.primary) },
  { title: "two replicas /s", cell: (row) => String(row.replicas) },
  { title: "ratio", cell: (row) => String(row.ratio) },
];
console.log(tableLines(columns, rows).join("\n"));

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
const isGood = failures === 0 && gain >= BOUND;
if (Deno.args.includes("--check") && !isGood) Deno.exitCode = 1;
