import { assertEquals } from "@std/assert";
import {
  chosenLanes,
  pointsOf,
  seriesOf,
} from "../../../../src/cli/tune/report/series.ts";
import type { Point } from "../../../../src/cli/tune/report_types.ts";
import { sampleReport } from "../../../support/tune_report.ts";

const report = sampleReport();
const FIXED = ["mix", "valueBytes"] as const;
const callers = ({ concurrency }: Point) => concurrency;
const lanes = pointsOf(report, "lanes", FIXED, "mooring");

Deno.test("pointsOf() keeps the largest part, so that no place of a line has two points", () => {
  assertEquals(lanes.length, 44);
  const odd = lanes.slice(0, 3).map((point) => ({ ...point, valueBytes: 4096 }));
  const mixed = { ...report, points: [...odd, ...report.points] };
  assertEquals(pointsOf(mixed, "lanes", FIXED, "mooring"), lanes);
  assertEquals(pointsOf(report, "lanes", FIXED).length, 66);
  assertEquals(pointsOf({ ...report, points: [] }, "lanes", FIXED), []);
});

Deno.test("chosenLanes() takes the recommended ones if they were measured, else the best", () => {
  assertEquals(chosenLanes(lanes, report), 4);
  assertEquals(chosenLanes(lanes, { advice: [] }), 8);
  const unmeasured = report.advice.map((advice) => ({ ...advice, value: 5 }));
  assertEquals(chosenLanes(lanes, { advice: unmeasured }), 8);
  assertEquals(chosenLanes([], report), undefined);
});

Deno.test("seriesOf() goes up along its axis, with whiskers, and past what was not measured", () => {
  const [one, two, three] = lanes.map((point, index) => ({
    ...point,
    clientCpu: index === 1 ? null : index,
  }));
  const points = [three!, two!, one!];
  assertEquals(
    seriesOf({ name: "cpu", points }, callers, ({ clientCpu }) => clientCpu),
    { name: "cpu", look: undefined, points: [{ x: 1, y: 0 }, { x: 4, y: 2 }] },
  );
  const { median, low, high } = one!.perSecond;
  assertEquals(
    seriesOf({ name: "rate", points: [one!] }, callers, (point) => point.perSecond),
    { name: "rate", look: undefined, points: [{ x: 1, y: median, low, high }] },
  );
  // A line may have a figure of its own.
  const of = ({ latencyMs }: Point) => latencyMs.p50;
  const { latencyMs: { p50 } } = one!;
  assertEquals(
    seriesOf({ name: "p50", points: [one!], of }, callers, () => null).points,
    [{ x: 1, y: p50.median, low: p50.low, high: p50.high }],
  );
});
