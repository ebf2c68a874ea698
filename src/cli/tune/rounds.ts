import type { LatencyHistogram } from "../../observability/histogram.ts";
import type { LoadResult } from "./load.ts";
import type { Effort, Spec } from "./plan.ts";
import type { Percentiles, Point } from "./report_types.ts";
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
  const wait = percentiles(rounds.map(({ wait }) => wait));
  const figure = (read: (round: Round) => number) => rounds.map(read);
  const seen = (read: (round: Round) => number | null) => {
    const values = rounds.map(read).filter((value) => value !== null);
    return values.length === 0 ? null : median(values);
  };
  const none = spreadOf([0]);
  return {
    ...spec,
    concurrency: spec.rate === undefined
      ? spec.concurrency
      : Math.max(...figure(({ mostPending }) => mostPending)),
    rounds: rounds.length,
    perSecond: spreadOf(figure(({ perSecond }) => perSecond)),
    latencyMs: percentiles(rounds.map(({ latency }) => latency)) ??
      { p50: none, p99: none, p999: none, max: none },
    ...(wait && { waitMs: wait }),
    clientCpu: seen(({ clientCpu }) => clientCpu),
    serverCpu: seen(({ serverCpu }) => serverCpu),
    connections: Math.max(...figure(({ connections }) => connections)),
    bytesPerSecond: {
      in: median(figure(({ bytesPerSecond }) => bytesPerSecond.in)),
      out: median(figure(({ bytesPerSecond }) => bytesPerSecond.out)),
    },
    errors: figure(({ errors }) => errors).reduce((sum, each) => sum + each, 0),
    firstError: rounds.find(({ firstError }) => firstError)?.firstError,
  };
}

/** Of the rounds that counted something; `undefined` if none did. */
function percentiles(rounds: readonly LatencyHistogram[]): Percentiles | undefined {
  const counted = rounds.filter(({ count }) => count > 0);
  if (counted.length === 0) return undefined;
  const quantile = (share: number) =>
    spreadOf(counted.map((round) => round.quantile(share)));
  return {
    p50: quantile(0.5),
    p99: quantile(0.99),
    p999: quantile(0.999),
    max: spreadOf(counted.map((round) => round.snapshot().maxMs)),
  };
}
