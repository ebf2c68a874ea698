import type { Ratio } from "../kit.ts";
import type { CostRow } from "./costs.ts";
import { type Column, type Figures, ratio, type Row } from "./rounds.ts";
import { labelOf } from "./scenarios.ts";

/** What a ratio must be. */
export interface Bound {
  /** What is compared, in words. */
  readonly what: string;
  /** The least it may be, or the most. */
  readonly limit: { readonly least: number } | { readonly most: number };
  /** What it is. */
  readonly found: Ratio;
}

/**
 * A p99 counts as above another from this ratio on: two runs of one and the same client
 * differ by as much.
 */
const P99_TOLERANCE = 1.05;

/** Throughput against plain ioredis by callers. */
const LEAST: Readonly<Record<number, number>> = {
  1: 0.95,
  8: 1,
  16: 1,
  64: 2.2,
  256: 3,
  512: 3,
};

/**
 * The bounds of all rows.
 *
 * @param rows What was measured.
 * @param costs Memory and cold start.
 * @returns Each bound with what was found.
 */
export function judge(
  rows: readonly Row[],
  costs: readonly CostRow[],
): Bound[] {
  return [
    ...rows.flatMap((row) => judgeRow(row)),
    ...costs.flatMap(({ what, ratio, most }): Bound[] =>
      most === undefined ? [] : [{ what, limit: { most }, found: ratio }]
    ),
  ];
}

function judgeRow(row: Row): Bound[] {
  const { callers, name } = row.scenario;
  const label = labelOf(row.scenario);
  const bounds: Bound[] = [];
  const add = (
    what: keyof Figures,
    to: Column,
    limit: Bound["limit"],
    of: Column = "manager",
  ) => {
    const found = ratio(row, what, of, to);
    const unit = what === "p99Ms" ? "p99" : "throughput";
    if (found !== undefined) {
      bounds.push({ what: `${label}: ${of} / ${to}, ${unit}`, limit, found });
    }
  };
  // Beside getClient(), whose commands take the same way.
  add("perSecond", "manager", { least: 0.97 }, "createClient");
  add("perSecond", "ioredis", { least: name === "mixed" ? 1 : LEAST[callers]! });
  add("p99Ms", "ioredis", { most: P99_TOLERANCE });
  if (name !== "mixed") add("perSecond", "transport", { least: 0.9 });
  add("perSecond", "pool of 8", { least: 10 });
  add("perSecond", "redis-benchmark", { least: 0.8 });
  return bounds;
}

/**
 * Whether a bound holds.
 *
 * @param bound The bound.
 * @returns `true` if it does.
 */
export function holds({ limit, found }: Bound): boolean {
  return "least" in limit ? found.median >= limit.least : found.median <= limit.most;
}
