import { type RedisConfig, RedisConfigLoader } from "../../src/config/main.ts";
import { largestPool, runClientLimit } from "./client_limit.ts";
import { type LeaseQueueResult, runLeaseQueue } from "./lease_queue.ts";
import { USUAL_SERVER } from "./model_server.ts";
import { meanWaitMs } from "./queue_theory.ts";
import { runServerLoad } from "./server_load.ts";
import { HANG_UP_ROWS, RESTART_ROWS, runOutages, runScale, runStorms } from "./storms.ts";
import type { ClientRow, LoadRow, QueueRow, SimulationReport } from "./types.ts";

/** How much is simulated. */
export interface SimulationScale {
  /** One run of each part for each; the same give the same report. */
  readonly seeds: readonly number[];
  /** Callers of each pool, for each seed. */
  readonly callers: number;
  /** Numbers of instances, for `maxclients`. */
  readonly instances: readonly number[];
  /** Commands at a server that is well. */
  readonly commands: number;
  /** Instances of a server in trouble, with and without each mechanism. */
  readonly stormInstances: number;
  /** Numbers of instances in a restart. */
  readonly scaleInstances: readonly number[];
  /** How long the server is away, in milliseconds. */
  readonly awayMs: number;
  /** How long it hangs up, in seconds. */
  readonly hangUpSeconds: number;
}

/** The whole run. */
export const FULL: SimulationScale = {
  seeds: [1, 2, 3, 4, 5],
  callers: 40_000,
  instances: [1, 10, 100, 500, 1000, 2000, 5000, 10_000],
  commands: 20_000,
  stormInstances: 100,
  scaleInstances: [1, 10, 100, 1000, 10_000],
  awayMs: 20_000,
  hangUpSeconds: 15,
};

/** The short one. */
export const QUICK: SimulationScale = {
  seeds: [1, 2, 3],
  callers: 4000,
  instances: [1, 10, 100, 500, 1000],
  commands: 2000,
  stormInstances: 15,
  scaleInstances: [1, 10, 100],
  awayMs: 20_000,
  hangUpSeconds: 10,
};

const LATENCIES_MS = [0.1, 1, 5, 20, 40, 80];
const LEASES = [1, 2, 4, 8, 12, 19, 32];
/** Callers a second that lease: WATCH, GET and MULTI/EXEC, with a millisecond of work. */
const LEASE_RATE = 50;
const LEASE_TRIPS = 3;
const LEASE_WORK_MS = 1;
const POOLS = [1, 5, 20];
const IO_THREADS = [1, 2, 4];
const LOADS_PER_SECOND = [50_000, 90_000, 140_000];
/** Enough for the longest distance between two attempts. */
const WATCH_MS = 8000;
/** Lengths of outages, in milliseconds. */
const OUTAGES_MS = [300, 3000, 10_000, 60_000, 600_000];
/** Commands a second of each instance: of a short outage all are to take note. */
const OUTAGE_RATE = 20;
const LONG_OUTAGE_RATE = 0.2;
const STORM_RATE = 5;
/** Of many instances each needs its server less often: the machine has an end. */
const SCALE_RATE = 1;
const HANG_UP_RATE = 50;

/**
 * Runs all parts of the simulation.
 *
 * @param scale How much.
 * @returns What was found.
 */
export async function simulate(scale: SimulationScale): Promise<SimulationReport> {
  const config = await defaultConfig();
  const { maxConnections, acquireTimeoutMs } = config;
  const { circuitBreakerTimeoutMs, healthCheckIntervalMs } = config;
  const { awayMs, hangUpSeconds, seeds, stormInstances: instances } = scale;
  const away = { trouble: "away", downMs: awayMs, watchMs: WATCH_MS, seeds } as const;
  const hangUp = {
    trouble: "hangs-up",
    downMs: hangUpSeconds * 1000,
    watchMs: 0,
  } as const;
  const restart = { ...away, instances, rate: STORM_RATE };
  const hangUps = { ...hangUp, instances, seeds, rate: HANG_UP_RATE };
  return {
    seeds,
    quick: scale === QUICK,
    defaults: {
      maxConnections,
      acquireTimeoutMs,
      circuitBreakerTimeoutMs,
      healthCheckIntervalMs,
    },
    maxClients: USUAL_SERVER.maxClients,
    queue: {
      rate: LEASE_RATE,
      trips: LEASE_TRIPS,
      rows: await runQueues(config, scale),
    },
    clients: await runClients(config, scale),
    loads: await runLoads(config, scale),
    storms: {
      ...{ instances, awayMs, rate: STORM_RATE },
      rows: await runStorms(config, restart, RESTART_ROWS),
    },
    scale: {
      rate: SCALE_RATE,
      rows: await runScale(config, { ...away, rate: SCALE_RATE }, scale.scaleInstances),
    },
    outages: {
      instances,
      rows: await runOutages(
        config,
        { trouble: "away", watchMs: WATCH_MS, seeds, instances },
        OUTAGES_MS.map((awayMs) => ({
          awayMs,
          rate: awayMs >= 60_000 ? LONG_OUTAGE_RATE : OUTAGE_RATE,
        })),
      ),
    },
    hangUps: {
      ...{ instances, rate: HANG_UP_RATE, seconds: hangUpSeconds },
      rows: await runStorms(config, hangUps, HANG_UP_ROWS),
    },
  };
}

/** What a database has where nothing is configured. */
export async function defaultConfig(): Promise<RedisConfig> {
  const overrides = { databases: { main: {} } };
  const options = { env: {}, yamlText: "", overrides };
  const { databases } = await RedisConfigLoader.load(options);
  return databases.main!;
}

async function runQueues(
  config: RedisConfig,
  scale: SimulationScale,
): Promise<QueueRow[]> {
  const rows: QueueRow[] = [];
  for (const latencyMs of LATENCIES_MS) {
    for (const leases of LEASES) {
      rows.push(await runQueue(config, scale, latencyMs, leases));
    }
  }
  return rows;
}

async function runQueue(
  { acquireTimeoutMs }: RedisConfig,
  { callers, seeds }: SimulationScale,
  latencyMs: number,
  leases: number,
): Promise<QueueRow> {
  const rate = LEASE_RATE;
  const holdMs = LEASE_TRIPS * latencyMs + LEASE_WORK_MS;
  const load = rate * holdMs / 1000;
  const results: LeaseQueueResult[] = [];
  for (const seed of seeds) {
    results.push(
      await runLeaseQueue({ leases, rate, holdMs, acquireTimeoutMs, callers, seed }),
    );
  }
  const means = results.map(({ meanWaitMs }) => meanWaitMs);
  const sum = (figure: (result: LeaseQueueResult) => number) =>
    results.reduce((total, result) => total + figure(result), 0);
  const served = sum(({ served }) => served);
  const theory = sum(({ offered }) => meanWaitMs(leases, offered, holdMs)) / seeds.length;
  const timedOut = sum(({ timedOut }) => timedOut);
  return {
    latencyMs,
    leases,
    load: load / leases,
    meanWaitMs: sum((result) => result.meanWaitMs * result.served) / Math.max(1, served),
    meanRangeMs: [Math.min(...means), Math.max(...means)],
    p99WaitMs: Math.max(...results.map(({ p99WaitMs }) => p99WaitMs)),
    timedOut: timedOut / (served + timedOut),
    theoryMs: theory === Infinity ? null : theory,
  };
}

async function runClients(
  { acquireTimeoutMs }: RedisConfig,
  scale: SimulationScale,
): Promise<ClientRow[]> {
  const rows: ClientRow[] = [];
  const server = USUAL_SERVER;
  for (const instances of scale.instances) {
    for (const maxConnections of POOLS) {
      const { wanted, had, refused, without } = await runClientLimit(
        { instances, maxConnections, acquireTimeoutMs, server },
      );
      rows.push({
        ...{ instances, maxConnections, wanted, had, refused, without },
        largestPool: largestPool(instances, server.maxClients),
      });
    }
  }
  return rows;
}

async function runLoads(
  config: RedisConfig,
  { commands, seeds: [seed] }: SimulationScale,
): Promise<LoadRow[]> {
  const rows: LoadRow[] = [];
  for (const perSecond of LOADS_PER_SECOND) {
    for (const ioThreads of IO_THREADS) {
      rows.push(
        await runServerLoad({ config, ioThreads, perSecond, commands, seed: seed! }),
      );
    }
  }
  return rows;
}
