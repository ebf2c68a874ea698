import type { TuneReport } from "../../report_types.ts";
import type { Axis, LineChart } from "../chart_types.ts";
import { formatNumber } from "../number_style.ts";
import { charts, LATENCY, type Section, THROUGHPUT } from "../section.ts";
import { agreeing, lineOf, pointsOf, sayLoad } from "../select.ts";
import { percentileLines } from "./latency.ts";

const POOL_SIZE: Axis = {
  title: "Pool size",
  unit: "leases at the same time",
  scale: { kind: "log", base: 2 },
};

/**
 * How long callers wait for a lease, and what they get done, against the pool's size.
 *
 * @param report The report.
 * @returns The section; `undefined` if leases were not measured.
 */
export function leasesSection(report: TuneReport): Section | undefined {
  const fixed = ["mix", "valueBytes", "concurrency"] as const;
  const points = agreeing(pointsOf(report, "leases", "mooring"), fixed);
  const [first] = points;
  if (first === undefined) return undefined;
  const size = ({ leases }: { leases: number }) => leases;
  const load = `Load: ${sayLoad(first)}; ${formatNumber(first.concurrency)} callers.`;
  const wait: LineChart = {
    id: "pool-wait",
    title: "Waiting for a lease against the size of the pool",
    description:
      `${load} A lease is a connection that one caller has alone, for WATCH and ` +
      "MULTI. A wait of 0 stands at the axis' beginning.",
    x: POOL_SIZE,
    y: { ...LATENCY, title: "Wait" },
    colors: "order",
    series: percentileLines(points, size, ({ waitMs, waitTailMs }) => ({
      all: waitMs,
      p999: waitTailMs?.p999,
    })),
  };
  const throughput: LineChart = {
    id: "pool-throughput",
    title: "Throughput against the size of the pool",
    description: load,
    x: POOL_SIZE,
    y: THROUGHPUT,
    series: [lineOf("mooring", points, size, ({ perSecond }) => perSecond)],
  };
  return { id: "pool", title: "Pool of leases", content: charts([wait, throughput]) };
}
