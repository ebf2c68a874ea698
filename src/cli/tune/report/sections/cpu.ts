import type { Point, TuneReport } from "../../report_types.ts";
import { CALLERS, charts, type Section } from "../section.ts";
import { agreeing, chosenLanes, lineOf, pointsOf, sayLanes, sayLoad } from "../select.ts";

/**
 * CPU of this process and of the server against callers.
 *
 * @param report The report.
 * @returns The section; `undefined` if neither could be seen.
 */
export function cpuSection(report: TuneReport): Section | undefined {
  const lanes = chosenLanes(report);
  const points = agreeing(pointsOf(report, "lanes", "mooring"), ["mix", "valueBytes"])
    .filter((point) => point.lanes === lanes);
  const [first] = points;
  if (first === undefined) return undefined;
  const callers = ({ concurrency }: Point) => concurrency;
  const series = [
    lineOf("client", points, callers, ({ clientCpu }) => clientCpu),
    lineOf("server", points, callers, ({ serverCpu }) => serverCpu),
  ].filter(({ points }) => points.length > 0);
  const content = charts([{
    id: "cpu-by-concurrency",
    title: `CPU with ${sayLanes(first.lanes)}`,
    description:
      `Load: ${sayLoad(first)}. 1 is one core all the time: who stands there ` +
      "with one thread is what limits the throughput.",
    x: CALLERS,
    y: { title: "CPU", unit: "cores busy", scale: { kind: "linear" } },
    series,
  }]);
  return content === "" ? undefined : { id: "cpu", title: "CPU", content };
}
