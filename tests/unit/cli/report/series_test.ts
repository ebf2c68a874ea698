import { assertEquals } from "@std/assert";
import {
  chosenLanes,
  lineOf,
  p99Of,
  pointsOf,
} from "../../../../src/cli/tune/report/series.ts";
import { sampleReport } from "../../../support/tune_report.ts";

const report = sampleReport();
const FIXED = ["mix", "valueBytes"] as const;
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

Deno.test("lineOf() goes up along its axis, with whiskers, and past what was not measured", () => {
  const [one, two, three] = lanes.map((point, index) => ({
    ...point,
    clientCpu: index === 1 ? null : index,
  }));
  const points = [three!, two!, one!];
  assertEquals(
    lineOf("cpu", points, ({ concurrency }) => concurrency, ({ clientCpu }) => clientCpu),
    { name: "cpu", look: undefined, points: [{ x: 1, y: 0 }, { x: 4, y: 2 }] },
  );
  const { median, low, high } = one!.perSecond;
  assertEquals(
    lineOf("rate", [one!], ({ concurrency }) => concurrency, (point) => point.perSecond),
    { name: "rate", look: undefined, points: [{ x: 1, y: median, low, high }] },
  );
});

Deno.test("p99Of() has the range of the rounds, and holds all rounds together in it", () => {
  const [point] = lanes;
  const { p99Ms, ...bare } = { ...point!, latencyMs: { ...point!.latencyMs, p99: 2 } };
  assertEquals(p99Of(bare), 2);
  const range = (low: number, high: number) =>
    p99Of({ ...bare, p99Ms: { ...p99Ms!, low, high } });
  assertEquals(range(1, 3), { median: 2, low: 1, high: 3 });
  assertEquals(range(2.01, 3), { median: 2, low: 2, high: 3 });
});
