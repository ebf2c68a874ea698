import { LatencyHistogram } from "../../observability/histogram.ts";
import type { LoadResult } from "./load.ts";
import type { Effort, Spec } from "./plan.ts";
import type { Percentiles, Point, Tail } from "./report_types.ts";
import { isSettled, median, spreadOf } from "./statistics.ts";

/** The measurements of one round of one combination. */
export interface Round
  extends
    Pick<Point, "clientCpu" | "serverCpu" | "connections" | "bytesPerSecond">,
    Pick<LoadResult, "latency" | "errors" | "firstError" | "mostPending"> {
  /** Commands a second. */
  readonly perSecond: number;
  /** Waits for a lease. */
  readonly wait: LatencyHistogram;
}

/** How rounds are run. */
export interface RoundsOptions {
  /** Runs one round of so many milliseconds. */
  readonly measure: (spec: Spec, ms: number) => Promise<Round>;
  /** Milliseconds of monotonic time. */
  readonly now: () => number;
  /** Rounds and their length. */
  readonly effort: Pick<Effort, "rounds" | "roundMs">;
  /** How long all of it may take, in milliseconds. */
  readonly budgetMs: number;
  /** Ends it. */
  readonly signal?: AbortSignal;
  /** Called after each round; `steps` also counts the rounds that are not needed. */
  readonly onStep?: (steps: number, spec: Spec) => void;
}

/** Shortest round, in milliseconds. */
const LEAST_MS = 10;
/** The round before the first, which is not counted, takes this share of one. */
const WARM_UP = 0.5;

/** Steps of progress that one combination takes at the most. */
export function stepsOf({ rounds }: Pick<Effort, "rounds">): number {
  return rounds.most + 1;
}

/**
 * Measures combinations in turn, round after round, each round beginning with another one,
 * so that what disturbs the machine disturbs all of them. One that is known well enough
 * (see `isSettled()`) is left out of the further rounds.
 *
 * @param specs The combinations.
 * @param options How.
 * @returns A point for each, in their order.
 * @throws {DOMException} If the signal is aborted.
 */
export async function runRounds(
  specs: readonly Spec[],
  options: RoundsOptions,
): Promise<Point[]> {
  const { budgetMs, effort, measure, now, onStep, signal } = options;
  const { least, most } = effort.rounds;
  const deadline = now() + budgetMs;
  const found = new Map(specs.map((spec) => [spec, [] as Round[]]));
  let left = specs.length * (most + WARM_UP);
  let overheadMs = 0;
  const run = async (spec: Spec, share: number) => {
    signal?.throwIfAborted();
    const ms = (deadline - now()) / left - overheadMs;
    const length = Math.max(LEAST_MS, share * Math.min(effort.roundMs, ms));
    const startedAt = now();
    const round = await measure(spec, length);
    signal?.throwIfAborted();
    overheadMs = (overheadMs + Math.max(0, now() - startedAt - length)) / 2;
    left -= share;
    return round;
  };
  for (const spec of specs) {
    await run(spec, WARM_UP);
    onStep?.(1, spec);
  }
  let open = [...specs];
  for (let index = 0; index < most && open.length > 0; index++) {
    const turn = open.map((_, i) => open[(i + index) % open.length]!);
    for (const spec of turn) {
      found.get(spec)!.push(await run(spec, 1));
      const settled = index + 1 >= least &&
        isSettled(found.get(spec)!.map(({ perSecond }) => perSecond));
      const unneeded = settled ? most - index - 1 : 0;
      if (settled) open = open.filter((other) => other !== spec);
      left -= unneeded;
      onStep?.(1 + unneeded, spec);
    }
  }
  return specs.map((spec) => pointOf(spec, found.get(spec)!));
}

function pointOf(spec: Spec, rounds: readonly Round[]): Point {
  const latencies = rounds.map(({ latency }) => latency);
  const waits = rounds.map(({ wait }) => wait);
  const wait = percentiles(waits);
  const figure = (read: (round: Round) => number) => rounds.map(read);
  const seen = (read: (round: Round) => number | null) => {
    const values = rounds.map(read).filter((value) => value !== null);
    return values.length === 0 ? null : median(values);
  };
  const firstError = rounds.find(({ firstError }) => firstError)?.firstError;
  return {
    ...spec,
    concurrency: spec.rate === undefined
      ? spec.concurrency
      : Math.max(...figure(({ mostPending }) => mostPending)),
    rounds: rounds.length,
    perSecond: spreadOf(figure(({ perSecond }) => perSecond)),
    latencyMs: percentiles(latencies) ?? { p50: 0, p99: 0, p999: 0, max: 0 },
    p99Ms: spreadOf(figure(({ latency }) => latency.quantile(0.99))),
    tailMs: tailOf(latencies),
    ...(wait && { waitMs: wait, waitTailMs: tailOf(waits) }),
    clientCpu: seen(({ clientCpu }) => clientCpu),
    serverCpu: seen(({ serverCpu }) => serverCpu),
    connections: Math.max(...figure(({ connections }) => connections)),
    bytesPerSecond: {
      in: median(figure(({ bytesPerSecond }) => bytesPerSecond.in)),
      out: median(figure(({ bytesPerSecond }) => bytesPerSecond.out)),
    },
    errors: figure(({ errors }) => errors).reduce((sum, each) => sum + each, 0),
    firstError,
  };
}

/** Of all rounds together; `undefined` if nothing was counted. */
function percentiles(rounds: readonly LatencyHistogram[]): Percentiles | undefined {
  const all = new LatencyHistogram();
  for (const round of rounds) all.merge(round);
  const { count, maxMs, p50Ms, p99Ms } = all.snapshot();
  if (count === 0) return undefined;
  return { p50: p50Ms, p99: p99Ms, p999: all.quantile(0.999), max: maxMs };
}

function tailOf(rounds: readonly LatencyHistogram[]): Tail {
  return {
    p999: spreadOf(rounds.map((round) => round.quantile(0.999))),
    max: spreadOf(rounds.map((round) => round.snapshot().maxMs)),
  };
}
