/**
 * The long form of the near cache's coherence checker: writers and readers while connections
 * are killed, servers freeze, are flushed and restart, primaries change and slots move.
 *
 *     deno run -A tests/soak/near_cache.ts [--minutes N] [--mode standalone|sentinel|cluster]
 *
 * Without `--mode` all three run at the same time. Ends with 1 if a read gave what was known
 * to be old. Default: 30 minutes.
 *
 * @module
 */
import type { ManagerOptions } from "../../mod.ts";
import { ClusterTopology } from "../../src/testing/cluster_topology.ts";
import { RedisServer } from "../../src/testing/redis_server.ts";
import { SentinelTopology } from "../../src/testing/sentinel_topology.ts";
import { delay, waitFor } from "../../src/testing/wait.ts";
import { CoherenceChecker, readersOf, untilReplicated } from "../support/coherence.ts";

/** Time between two faults, in milliseconds. */
const FAULT_EVERY_MS = 2000;
/** Faults between two comparisons at rest. */
const FAULTS_BETWEEN_RESTS = 5;
/** Silence after which a server is taken for down, in milliseconds: longer than it freezes,
 * as a failover of which nobody knows loses writes that it has acknowledged. */
const DOWN_AFTER_MS = 10_000;

/** Servers with what may happen to them. */
interface Stage extends AsyncDisposable {
  readonly options: ManagerOptions;
  readonly faults: Readonly<Record<string, (checker: CoherenceChecker) => unknown>>;
}

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}

/** What happens to any server. */
function faultsOf(server: () => RedisServer | Promise<RedisServer>): Stage["faults"] {
  return {
    "kill all connections": async () =>
      (await server()).cli("CLIENT", "KILL", "TYPE", "normal"),
    "kill a lane": async () => {
      const one = await server();
      const rows = await one.clientList("mooring:near:lane");
      if (rows.length > 0) await one.cli("CLIENT", "KILL", "ID", String(pick(rows).id));
    },
    freeze: async () => {
      const one = await server();
      one.pause();
      await delay(Math.random() * 1500);
      one.resume();
    },
    flush: async () => (await server()).cli("FLUSHALL"),
    "pause writes": async () => (await server()).cli("CLIENT", "PAUSE", "300", "WRITE"),
  };
}

async function standalone(): Promise<Stage> {
  const server = await RedisServer.start();
  return {
    options: { host: server.host, port: server.port },
    faults: {
      ...faultsOf(() => server),
      restart: async () => {
        await server.kill();
        await server.restart();
      },
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function sentinel(): Promise<Stage> {
  const topology = await SentinelTopology.start({
    downAfterMs: DOWN_AFTER_MS,
    quick: true,
  });
  const replicated = async () => {
    const primary = await topology.primary();
    await untilReplicated(primary, await topology.replicas());
    return primary;
  };
  return {
    options: {
      mode: "sentinel",
      sentinelName: topology.name,
      nodes: topology.endpoints,
    },
    faults: {
      ...faultsOf(() => topology.primary()),
      failover: async (checker) => {
        await checker.hold();
        await replicated();
        await topology.failover();
        checker.goOn();
      },
      "loss of the primary": async (checker) => {
        await checker.hold();
        const primary = await replicated();
        await primary.kill();
        await topology.untilPrimaryIsNot(primary);
        checker.goOn();
        await delay(1000);
        await primary.restart();
      },
    },
    [Symbol.asyncDispose]: () => topology[Symbol.asyncDispose](),
  };
}

async function cluster(): Promise<Stage> {
  const topology = await ClusterTopology.start({
    primaries: 3,
    replicasEach: 1,
    nodeTimeoutMs: DOWN_AFTER_MS,
  });
  const keys = Array.from({ length: 24 }, (_, i) => `c:${i}`);
  const owner = () => topology.ownerOf(pick(keys));
  return {
    options: { mode: "cluster", nodes: topology.endpoints },
    faults: {
      ...faultsOf(owner),
      "move of a slot": async () => {
        const key = pick(keys);
        const from = await topology.ownerOf(key);
        const to = await owner();
        if (to === from) return;
        const pauseMs = pick([0, 20]);
        await topology.moveSlot(await topology.slotOf(key), to, { pauseMs });
      },
      failover: async () => {
        const key = pick(keys);
        const primary = await topology.ownerOf(key);
        const [replica] = await topology.replicasOf(primary);
        if (replica === undefined) return;
        // The primary stops writing until the replica has everything.
        await replica.cli("CLUSTER", "FAILOVER");
        await topology.untilOwnerIsNot(primary, key);
      },
      "loss of a primary": async (checker) => {
        await checker.hold();
        const key = pick(keys);
        const primary = await topology.ownerOf(key);
        const replicas = await topology.replicasOf(primary);
        if (replicas.length === 0) return checker.goOn();
        await untilReplicated(primary, replicas);
        await primary.kill();
        await topology.untilOwnerIsNot(primary, key);
        checker.goOn();
        await primary.restart();
        await waitFor(
          async () => (await primary.info("replication")).master_link_status === "up",
          { what: "a replica that is back", timeoutMs: 60_000 },
        );
      },
    },
    [Symbol.asyncDispose]: () => topology[Symbol.asyncDispose](),
  };
}

const STAGES = { standalone, sentinel, cluster };
type Mode = keyof typeof STAGES;

/** Runs one kind of servers; gives the reads, and what was violated. */
async function run(mode: Mode, minutes: number) {
  await using stage = await STAGES[mode]();
  const base: ManagerOptions = {
    ...stage.options,
    commandTimeoutMs: 10_000,
    connectRetry: { attempts: 20, minMs: 20, maxMs: 200 },
  };
  await using checker = new CoherenceChecker({
    readers: readersOf(base),
    others: { ...base, databases: { near: { db: 0 } } },
    seed: Date.now(),
    isStandalone: mode === "standalone",
  });
  checker.start();
  const happened: Record<string, number> = {};
  const until = performance.now() + minutes * 60_000;
  for (let n = 1; performance.now() < until; n++) {
    await delay(FAULT_EVERY_MS);
    const [name, fault] = pick(Object.entries(stage.faults));
    await fault(checker);
    happened[name] = (happened[name] ?? 0) + 1;
    if (n % FAULTS_BETWEEN_RESTS > 0) continue;
    await delay(1500);
    await checker.rest();
    if (checker.report.violations.length > 0) break;
  }
  const { violations, ...report } = await checker.stop();
  console.log(mode, report, happened);
  return {
    reads: report.reads,
    violations: violations.map((each) => `${mode}: ${each}`),
  };
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

if (import.meta.main) {
  const mode = option("--mode");
  const modes = Object.keys(STAGES) as Mode[];
  const chosen = mode === undefined ? modes : modes.filter((each) => each === mode);
  if (chosen.length === 0) throw new Error(`--mode is ${mode}, not one of ${modes}`);
  const minutes = Number(option("--minutes") ?? 30);
  const results = await Promise.all(chosen.map((each) => run(each, minutes)));
  const reads = results.reduce((sum, each) => sum + each.reads, 0);
  const violations = results.flatMap((each) => each.violations);
  console.log(`${reads} reads, ${violations.length} violations`, violations.slice(0, 20));
  if (violations.length > 0) Deno.exitCode = 1;
}
