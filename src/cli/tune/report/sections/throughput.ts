import type { TuneReport } from "../../report_types.ts";
import type { LineSeries } from "../chart_types.ts";
import { join } from "../markup.ts";
import { formatNumber } from "../number_style.ts";
import { CALLERS, charts, paragraph, type Section, THROUGHPUT } from "../section.ts";
import {
  agreeing,
  lineOf,
  pointsOf,
  sayLanes,
  sayLoad,
  sayRate,
  valuesOf,
} from "../select.ts";

/**
 * Throughput against callers for each number of lanes, with the knees.
 *
 * @param report The report.
 * @returns The section; `undefined` if lanes were not measured.
 */
export function throughputSection(report: TuneReport): Section | undefined {
  const points = agreeing(pointsOf(report, "lanes", "mooring"), ["mix", "valueBytes"]);
  const [first] = points;
  if (first === undefined) return undefined;
  const series = valuesOf(points, ({ lanes }) => lanes).map((lanes) =>
    withKnee(
      report,
      lanes,
      lineOf(
        sayLanes(lanes),
        points.filter((point) => point.lanes === lanes),
        ({ concurrency }) => concurrency,
        ({ perSecond }) => perSecond,
      ),
    )
  );
  const best = points.reduce((best, point) =>
    point.perSecond.median > best.perSecond.median ? point : best
  );
  return {
    id: "throughput",
    title: "Throughput",
    content: join([
      paragraph(
        `The most was ${sayRate(best.perSecond.median)}, with ${sayLanes(best.lanes)} ` +
          `and ${formatNumber(best.concurrency)} callers.${sayKnees(report)}`,
      ),
      charts([{
        id: "throughput-by-lanes",
        title: "Throughput against concurrency, for each number of lanes",
        description:
          `Load: ${sayLoad(first)}. Each caller waits for its reply before it ` +
          "goes on. A point is the median of the rounds; the broad bar behind it goes " +
          "from the smallest to the largest.",
        x: CALLERS,
        y: THROUGHPUT,
        series,
        colors: "order",
        markMeaning: "knee: from here on more callers bring little",
      }]),
    ]),
  };
}

function withKnee(report: TuneReport, lanes: number, series: LineSeries): LineSeries {
  const knee = report.knees.find((knee) => knee.lanes === lanes);
  return {
    ...series,
    points: series.points.map((point) =>
      point.x === knee?.concurrency
        ? { ...point, mark: `knee: ${formatNumber(knee.concurrency)}` }
        : point
    ),
  };
}

function sayKnees({ knees }: TuneReport): string {
  if (knees.length === 0) return "";
  const said = knees.map(({ lanes, concurrency }) =>
    `${formatNumber(concurrency)} with ${sayLanes(lanes)}`
  );
  return ` More callers bring little from the knee on: ${said.join(", ")}.`;
}
