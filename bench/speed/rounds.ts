import { inTurns, type Ratio, ratioOf } from "../kit.ts";
import type { LineProcess } from "../line_process.ts";
import { runRedisBenchmark } from "./redis_benchmark.ts";
import type { RivalName } from "./rivals.ts";
import { type Scenario, SCENARIOS } from "./scenarios.ts";

/** How long a suite takes its time. */
export interface Effort {
  /** Rounds of each row; every rival runs once in each. */
  readonly rounds: number;
  /** How long a rival runs in a round, in milliseconds. */
  readonly durationMs: number;
}

/** Who stands in the table: the rivals, and the server's own tool. */
export type Column = RivalName | "redis-benchmark";

/** What one rival came to in a round. */
export interface Figures {
  /** Commands a second. */
  readonly perSecond: number;
  /** p99, in milliseconds; `NaN` where it is not known. */
  readonly p99Ms: number;
}

/** A row: every rival's rounds, in their order. */
export interface Row {
  /** The load. */
  readonly scenario: Scenario;
  /** The rounds by rival. */
  readonly series: ReadonlyMap<Column, readonly Figures[]>;
}

/** How long each rival runs before it counts, in milliseconds: until it is compiled. */
const WARM_UP_MS = 250;
/** Callers at which the server's own tool is measured too. */
const TOOL_AT = 512;

/**
 * Runs one row: all rivals in turn.
 *
 * @param scenario The load.
 * @param processes The rivals, each open in a process of its own, so with a heap, a collector
 * and compiled code of its own: what one leaves to the collector is not paid by the next.
 * @param effort Rounds and their length.
 * @param url The server, for its own tool.
 * @returns The row.
 */
export async function runRow(
  scenario: Scenario,
  processes: ReadonlyMap<RivalName, LineProcess>,
  effort: Effort,
  url: string,
): Promise<Row> {
  const { callers, name, rivals } = scenario;
  const hasTool = callers === TOOL_AT && name !== "mixed";
  const columns: Column[] = [...rivals, ...hasTool ? ["redis-benchmark" as const] : []];
  const index = SCENARIOS.indexOf(scenario);
  const series = await inTurns(
    columns,
    effort.rounds,
    async (column, counts): Promise<Figures> => {
      if (column === "redis-benchmark") {
        return await runRedisBenchmark(url, name === "GET" ? "get" : "set");
      }
      const durationMs = counts ? effort.durationMs : WARM_UP_MS;
      return JSON.parse(await processes.get(column)!.ask(`${index} ${durationMs}`));
    },
  );
  return { scenario, series };
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
  what: keyof Figures,
  of: Column,
  to: Column,
): Ratio | undefined {
  const [one, other] = [of, to].map((column) =>
    row.series.get(column)?.map((figures) => figures[what])
  );
  return one && other && ratioOf(one, other);
}
