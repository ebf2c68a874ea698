import { type RedisConfig, RedisConfigLoader } from "../../src/config/mod.ts";
import { largestPool, runClientLimit } from "./client_limit.ts";
import { runLeaseQueue } from "./lease_queue.ts";
import { BIN_MS, USUAL_SERVER } from "./model_server.ts";
import { meanWaitMs } from "./queue_theory.ts";
import { runStorm } from "./storm.ts";
import type {
  ClientRow,
  FlapRow,
  QueueRow,
  SimulationReport,
  StormRow,
} from "./types.ts";

/** How much is simulated. */
export interface SimulationScale {
  /** Callers of each pool. */
  readonly callers: number;
  /** Numbers of instances, for `maxclients`. */
  readonly instances: readonly number[];
  /** Instances in a restart. */
  readonly stormInstances: number;
  /** How long the server is away, in milliseconds. */
  readonly awayMs: number;
  /** Instances of the server that flaps. */
  readonly flapInstances: number;
  /** How long it flaps, in seconds. */
  readonly flapSeconds: number;
}

/** The whole run. */
export const FULL: SimulationScale = {
  callers: 100_000,
  instances: [1, 10, 100, 500, 1000, 2000, 5000, 10_000],
  stormInstances: 1000,
  awayMs: 20_000,
  flapInstances: 20,
  flapSeconds: 15,
};

/** The short one. */
export const QUICK: SimulationScale = {
  callers: 20_000,
  instances: [1, 10, 100, 500, 1000],
  stormInstances: 100,
  awayMs: 20_000,
  flapInstances: 20,
  flapSeconds: 15,
};

const LATENCIES_MS = [0.1, 1, 5, 20, 40, 80];
const LEASES = [1, 2, 4, 8, 12, 19, 32];
/** Callers a second that lease: WATCH, GET and MULTI/EXEC, with a millisecond of work. */
const LEASE_RATE = 50;
const LEASE_TRIPS = 3;
const LEASE_WORK_MS = 1;
const POOLS = [1, 5, 20];
/** Enough for the breaker's timeout after the longest time away. */
const WATCH_MS = 60_000;
const STORM_RATE = 5;
const STORM_LATENCY_MS = 20;
const FLAP = { rate: 100, latencyMs: 60 };

/**
 * Runs all parts of the simulation.
 *
 * @param scale How much.
 * @param seed Any whole number; the same gives the same report.
 * @returns What was found.
 */
export async function simulate(
  scale: SimulationScale,
  seed: number,
): Promise<SimulationReport> {
  const config = await defaultConfig();
  const { maxConnections, acquireTimeoutMs } = config;
  const { circuitBreakerTimeoutMs, healthCheckIntervalMs } = config;
  return {
    seed,
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
      rows: await runQueues(config, scale, seed),
    },
    clients: await runClients(config, scale),
    storms: {
      instances: scale.stormInstances,
      awayMs: scale.awayMs,
      rows: await runStorms(config, scale, seed),
    },
    flaps: {
      instances: scale.flapInstances,
      seconds: scale.flapSeconds,
      rows: await runFlaps(config, scale, seed),
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
  { callers }: SimulationScale,
  seed: number,
): Promise<QueueRow[]> {
  const { acquireTimeoutMs } = config;
  const rows: QueueRow[] = [];
  for (const latencyMs of LATENCIES_MS) {
    const holdMs = LEASE_TRIPS * latencyMs + LEASE_WORK_MS;
    const load = LEASE_RATE * holdMs / 1000;
    for (const leases of LEASES) {
      const rate = LEASE_RATE;
      const result = await runLeaseQueue(
        { leases, rate, holdMs, acquireTimeoutMs, callers, seed },
      );
      rows.push({
        latencyMs,
        leases,
        load: load / leases,
        meanWaitMs: result.meanWaitMs,
        p99WaitMs: result.p99WaitMs,
        timedOut: result.timedOut / (result.served + result.timedOut),
        theoryMs: load < leases ? meanWaitMs(leases, load, holdMs) : null,
      });
    }
  }
  return rows;
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

/** With a breaker that never opens. */
function withoutBreaker(config: RedisConfig): RedisConfig {
  return { ...config, circuitBreakerThreshold: Number.MAX_SAFE_INTEGER };
}

async function runStorms(
  config: RedisConfig,
  { stormInstances, awayMs }: SimulationScale,
  seed: number,
): Promise<StormRow[]> {
  const rows: StormRow[] = [];
  const back = awayMs / BIN_MS;
  for (const breaker of [true, false]) {
    for (const jitter of [true, false]) {
      const { connects, failures, trips } = await runStorm({
        config: breaker ? config : withoutBreaker(config),
        server: { ...USUAL_SERVER, roundTripMs: STORM_LATENCY_MS },
        instances: stormInstances,
        rate: STORM_RATE,
        downMs: awayMs,
        watchMs: WATCH_MS,
        jitter,
        seed,
      });
      const lastFailure = failures.findLastIndex((count) => count > 0);
      rows.push({
        ...{ jitter, breaker, connects, trips },
        peakAway: Math.max(0, ...connects.slice(0, back)),
        peakBack: Math.max(0, ...connects.slice(back)),
        failedForMs: Math.max(0, (lastFailure + 1 - back) * BIN_MS),
      });
    }
  }
  return rows;
}

async function runFlaps(
  config: RedisConfig,
  scale: SimulationScale,
  seed: number,
): Promise<FlapRow[]> {
  const rows: FlapRow[] = [];
  const unlimited = { ratio: 1000, minPerSecond: 1e6 };
  for (const budget of [true, false]) {
    const { retryBudget } = budget ? config : { retryBudget: unlimited };
    const { commands, retries } = await runStorm({
      config: { ...withoutBreaker(config), retryBudget },
      server: { ...USUAL_SERVER, roundTripMs: FLAP.latencyMs },
      instances: scale.flapInstances,
      rate: FLAP.rate,
      trouble: "flaps",
      downMs: scale.flapSeconds * 1000,
      watchMs: 0,
      jitter: true,
      seed,
    });
    rows.push({ budget, asked: commands.asked, retries: bySecond(retries) });
  }
  return rows;
}

function bySecond(bins: readonly number[]): number[] {
  const sums: number[] = [];
  bins.forEach((count, index) => {
    const second = Math.floor(index * BIN_MS / 1000);
    sums[second] = (sums[second] ?? 0) + count;
  });
  return sums;
}
