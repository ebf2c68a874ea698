import type { Contender } from "./contender.ts";
import { median } from "./load.ts";
import type { RivalName } from "./rivals.ts";
import type { Scenario } from "./scenarios.ts";
import { runRedisBenchmark } from "./redis_benchmark.ts";

/** How long a suite takes its time. */
export interface Effort {
  /** Rounds of each row; every rival runs once in each. */
  readonly rounds: number;
  /** How long a rival runs in a round, in milliseconds. */
  readonly durationMs: number;
}

/** Who stands in the table: the rivals, and the server's own tool. */
export type Column = RivalName | "redis-benchmark";

/** One rival's rounds of a row, in their order. */
export interface Series {
  /** Commands a second. */
  readonly perSecond: readonly number[];
  /** p99, in milliseconds; `NaN` where it is not known. */
  readonly p99Ms: readonly number[];
}

/** A row: every rival's rounds. */
export interface Row {
  /** The load. */
  readonly scenario: Scenario;
  /** The rounds by rival. */
  readonly series: ReadonlyMap<Column, Series>;
}

/** How long each rival runs before it counts, in milliseconds: until it is compiled. */
const WARM_UP_MS = 250;
/** Callers at which the server's own tool is measured too. */
const TOOL_AT = 512;

/**
 * Runs one row: all rivals in turn, round after round, each round beginning with
 * another one, so that what disturbs the machine disturbs all of them.
 *
 * @param scenario The load.
 * @param contenders The open rivals.
 * @param effort Rounds and their length.
 * @param url The server, for its own tool.
 * @returns The row.
 */
export async function runRow(
  scenario: Scenario,
  contenders: ReadonlyMap<RivalName, Contender>,
  effort: Effort,
  url: string,
): Promise<Row> {
  const { concurrency, name } = scenario;
  const hasTool = concurrency === TOOL_AT && name !== "mixed";
  const columns: Column[] = [
    ...scenario.rivals,
    ...hasTool ? ["redis-benchmark" as const] : [],
  ];
  const series = new Map(
    columns.map((
      column,
    ) => [column, { perSecond: [] as number[], p99Ms: [] as number[] }]),
  );
  const run = async (column: Column, durationMs: number) => {
    if (column === "redis-benchmark") {
      return await runRedisBenchmark(url, name === "GET" ? "get" : "set");
    }
    return await contenders.get(column)!.run(scenario, durationMs);
  };
  for (const column of scenario.rivals) await run(column, WARM_UP_MS);
  for (let round = 0; round < effort.rounds; round++) {
    for (let i = 0; i < columns.length; i++) {
      const column = columns[(i + round) % columns.length]!;
      const { perSecond, p99Ms } = await run(column, effort.durationMs);
      series.get(column)!.perSecond.push(perSecond);
      series.get(column)!.p99Ms.push(p99Ms);
    }
  }
  return { scenario, series };
}

/** How one rival compares with another. */
export interface Ratio {
  /** Median of the rounds' ratios. */
  readonly median: number;
  /** The smallest and the largest of them: how noisy it was. */
  readonly spread: readonly [number, number];
}

/**
 * Compares two rivals round by round.
 *
 * @param row The row.
 * @param what Throughput or p99.
 * @param of The one.
 * @param to The other.
 * @returns The one by the other; `undefined` if either is not in the row.
 */
export function ratio(
  row: Row,
  what: keyof Series,
  of: Column,
  to: Column,
): Ratio | undefined {
  const one = row.series.get(of)?.[what];
  const other = row.series.get(to)?.[what];
  if (one === undefined || other === undefined) return undefined;
  const ratios = one.map((value, i) => value / other[i]!);
  return {
    median: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}
