import { markdownTable, median, type Ratio } from "../kit.ts";
import { type Bound, holds } from "./bounds.ts";
import type { CostRow } from "./costs.ts";
import { type Column, ratio, type Row } from "./rounds.ts";
import { labelOf } from "./scenarios.ts";

const COLUMNS: readonly Column[] = [
  "manager",
  "createClient",
  "ioredis",
  "transport",
  "node-redis",
  "pool of 8",
  "redis-benchmark",
];

const times = (value: Ratio | undefined) =>
  value === undefined ? "" : `${value.median.toFixed(2)}×`;
const spread = ({ spread: [low, high] }: Ratio) => `${low.toFixed(2)}–${high.toFixed(2)}`;

function cells(row: Row): string[] {
  const figures = COLUMNS.map((column) => {
    const series = row.series.get(column);
    if (series === undefined) return "";
    const p99 = median(series.map(({ p99Ms }) => p99Ms));
    const rate = median(series.map(({ perSecond }) => perSecond));
    const thousands = `${Math.round(rate / 1000)}k`;
    return Number.isNaN(p99) ? thousands : `${thousands}, ${p99.toFixed(2)}`;
  });
  const against = (to: Column) => times(ratio(row, "perSecond", "manager", to));
  const p99 = times(ratio(row, "p99Ms", "manager", "ioredis"));
  return [
    labelOf(row.scenario),
    ...figures,
    against("ioredis"),
    p99,
    against("transport"),
  ];
}

/**
 * The throughput table: commands a second and p99 in milliseconds, and ratios.
 *
 * @param rows What was measured.
 * @returns A Markdown table.
 */
export function throughputTable(rows: readonly Row[]): string {
  const head = ["load", ...COLUMNS, "/ ioredis", "p99 / ioredis", "/ transport"];
  return markdownTable([head, ...rows.map(cells)]);
}

/**
 * The table of memory and cold start.
 *
 * @param rows What was measured.
 * @returns A Markdown table.
 */
export function costTable(rows: readonly CostRow[]): string {
  return markdownTable([
    ["cost", "manager", "ioredis", "ratio", "spread"],
    ...rows.map(({ what, unit, manager, ioredis, ratio }) => [
      what,
      `${manager.toFixed(1)} ${unit}`,
      `${ioredis.toFixed(1)} ${unit}`,
      times(ratio),
      spread(ratio),
    ]),
  ]);
}

/**
 * The bounds that were missed, in words.
 *
 * @param bounds All bounds.
 * @returns A line for each that does not hold.
 */
export function missedLines(bounds: readonly Bound[]): string[] {
  return bounds.filter((bound) => !holds(bound)).map(({ what, limit, found }) => {
    const must = "least" in limit ? `at least ${limit.least}` : `at most ${limit.most}`;
    return `${what}: ${times(found)} (rounds ${spread(found)}), must be ${must}×`;
  });
}
