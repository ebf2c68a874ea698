import type { RedisConfig } from "../../src/config/main.ts";
import { BIN_MS, USUAL_SERVER } from "./model_server.ts";
import { runStorm, type StormResult, type Trouble } from "./storm.ts";
import type { Mechanism, OutageRow, ScaleRow, StormRow } from "./types.ts";

/** There and back between the instances and their server, in milliseconds. */
const LATENCY_MS = 5;
const BINS_A_SECOND = 1000 / BIN_MS;

/** What is taken away in a row. */
export const RESTART_ROWS: readonly (readonly Mechanism[])[] = [
  [],
  ["jitter"],
  ["breaker"],
  ["breaker", "jitter"],
  ["breaker", "retry budget"],
  ["backoff"],
];

/** The same for a server that hangs up: it is there, so nothing is waited for. */
export const HANG_UP_ROWS: readonly (readonly Mechanism[])[] = [
  [],
  ["jitter"],
  ["breaker"],
  ["breaker", "jitter"],
  ["breaker", "retry budget"],
];

/** What a storm is made of. */
export interface StormScale {
  /** Processes that use the server. */
  readonly instances: number;
  /** Commands a second of each. */
  readonly rate: number;
  /** What is wrong with the server. */
  readonly trouble: Trouble;
  /** How long, in milliseconds. */
  readonly downMs: number;
  /** How long it is watched after that, in milliseconds. */
  readonly watchMs: number;
  /** One run for each. */
  readonly seeds: readonly number[];
}

/** The configuration without a mechanism; jitter is none of it. */
function take(config: RedisConfig, mechanism: Mechanism): RedisConfig {
  switch (mechanism) {
    case "jitter":
      return config;
    case "breaker":
      return { ...config, circuitBreakerThreshold: Number.MAX_SAFE_INTEGER };
    case "retry budget":
      return { ...config, retryBudget: { ratio: 1000, minPerSecond: 1e6 } };
    case "backoff":
      return {
        ...config,
        connectRetry: { ...config.connectRetry, minMs: 1, maxMs: 1 },
      };
  }
}

async function runSeeds(
  config: RedisConfig,
  { seeds, ...scale }: StormScale,
  without: readonly Mechanism[],
): Promise<StormResult[]> {
  const results: StormResult[] = [];
  for (const seed of seeds) {
    results.push(
      await runStorm({
        ...scale,
        config: without.reduce(take, config),
        server: { ...USUAL_SERVER, roundTripMs: LATENCY_MS },
        jitter: !without.includes("jitter"),
        seed,
      }),
    );
  }
  return results;
}

/** Time before the return that a steady rate is taken from, in milliseconds. */
const STEADY_MS = 10_000;

/**
 * Most that happens within a second.
 *
 * @param bins What happens, by bins of 100 ms.
 * @returns The most of any ten bins in a row.
 */
export function mostInASecond(bins: readonly number[]): number {
  let [sum, most] = [0, 0];
  bins.forEach((count, bin) => {
    sum += count - (bins[bin - BINS_A_SECOND] ?? 0);
    most = Math.max(most, sum);
  });
  return most;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + n, 0);
}

function bySecond(bins: readonly number[]): number[] {
  return Array.from(
    { length: Math.ceil(bins.length / BINS_A_SECOND) },
    (_, second) =>
      sumOf(bins.slice(second * BINS_A_SECOND, (second + 1) * BINS_A_SECOND)),
  );
}

/** From the server's return to the last failure, in milliseconds. */
function failedForMs({ failures }: StormResult, back: number): number {
  const last = failures.findLastIndex((count) => count > 0);
  return Math.max(0, (last + 1 - back) * BIN_MS);
}

/**
 * Runs a storm with all that is shipped, and without some of it.
 *
 * @param config The configuration that is shipped.
 * @param scale The storm.
 * @param rows What is taken away.
 * @returns A row for each.
 */
export async function runStorms(
  config: RedisConfig,
  scale: StormScale,
  rows: readonly (readonly Mechanism[])[],
): Promise<StormRow[]> {
  const { downMs, instances, rate } = scale;
  const back = downMs / BIN_MS;
  const found: StormRow[] = [];
  for (const without of rows) {
    const results = await runSeeds(config, scale, without);
    const worst = (figure: (result: StormResult) => number) =>
      Math.max(...results.map(figure));
    found.push({
      without,
      worstSecond: worst(({ connects }) => mostInASecond(connects)) / instances,
      worstSecondBack: worst(({ connects }) => mostInASecond(connects.slice(back))) /
        instances,
      worstBinBack: worst(({ connects }) => Math.max(0, ...connects.slice(back))) /
        instances,
      connects: worst(({ connects }) => sumOf(connects)) / instances,
      calls: worst(({ calls }) => sumOf(calls.slice(0, back))) /
        (instances * rate * downMs / 1000),
      trips: worst(({ trips }) => trips),
      failedForMs: worst((result) => failedForMs(result, back)),
      bySecond: bySecond(results[0]!.connects),
    });
  }
  return found;
}

/**
 * Runs a storm with all that is shipped, for some numbers of instances.
 *
 * @param config The configuration that is shipped.
 * @param scale The storm.
 * @param counts The numbers of instances.
 * @returns A row for each.
 */
export async function runScale(
  config: RedisConfig,
  scale: Omit<StormScale, "instances">,
  counts: readonly number[],
): Promise<ScaleRow[]> {
  const back = scale.downMs / BIN_MS;
  const found: ScaleRow[] = [];
  for (const instances of counts) {
    const results = await runSeeds(config, { ...scale, instances }, []);
    const worst = (figure: (result: StormResult) => number) =>
      Math.max(...results.map(figure));
    const allWorstSecond = worst(({ connects }) => mostInASecond(connects));
    const allWorstSecondBack = worst(({ connects }) =>
      mostInASecond(connects.slice(back))
    );
    found.push({
      ...{ instances, allWorstSecond, allWorstSecondBack },
      worstSecond: allWorstSecond / instances,
      worstSecondBack: allWorstSecondBack / instances,
      connects: worst(({ connects }) => sumOf(connects)) / instances,
      dropped: worst(({ server }) => server.dropped),
      failedForMs: worst((result) => failedForMs(result, back)),
    });
  }
  return found;
}

/**
 * Runs outages of several lengths with all that is shipped.
 *
 * @param config The configuration that is shipped.
 * @param scale The storm.
 * @param outages How long the server is away, in milliseconds, and commands a second of
 * each instance.
 * @returns A row for each.
 */
export async function runOutages(
  config: RedisConfig,
  scale: Omit<StormScale, "downMs" | "rate">,
  outages: readonly { readonly awayMs: number; readonly rate: number }[],
): Promise<OutageRow[]> {
  const { instances } = scale;
  const found: OutageRow[] = [];
  for (const { awayMs, rate } of outages) {
    const results = await runSeeds(config, { ...scale, downMs: awayMs, rate }, []);
    const back = awayMs / BIN_MS;
    const worst = (figure: (result: StormResult) => number) =>
      Math.max(...results.map(figure));
    const bins = Math.min(back, STEADY_MS / BIN_MS);
    found.push({
      awayMs,
      allBackMs: worst(({ allBackMs }) => allBackMs),
      failedForMs: worst((result) => failedForMs(result, back)),
      worstSecond: worst(({ connects }) => mostInASecond(connects)) / instances,
      worstSecondBack: worst(({ connects }) => mostInASecond(connects.slice(back))) /
        instances,
      steady: worst(({ connects }) => sumOf(connects.slice(back - bins, back))) /
        (instances * bins / BINS_A_SECOND),
    });
  }
  return found;
}
