import { assertEquals, assertMatch } from "@std/assert";
import type { Mix, Subject } from "../../../../src/cli/tune/report_types.ts";
import {
  nearCacheLines,
  noiseShare,
  verdictOf,
} from "../../../../src/cli/tune/verdict.ts";
import { sampleReport } from "../../../support/tune_report.ts";
import { makePoint } from "./point.ts";

const report = sampleReport();

/** A point whose rounds were so far from their median. */
const noisy = (share: number, median = 1000) =>
  makePoint({
    perSecond: { median, low: (1 - share) * median, high: (1 + share) * median },
  });

Deno.test("verdictOf() says in two sentences what to change, and what was reached", () => {
  const { noise, summary } = verdictOf(report);
  const knee = report.knees.find(({ lanes }) => lanes === 4)!;
  assertMatch(
    summary,
    /^Change max_lanes from 1 to 4, acquire_timeout from 3 to 0\.5 and socket_timeout from 5 to 2\. With 4 lanes, /,
  );
  // The figures are those of the point that the chart marks.
  const rate = Math.round(knee.perSecond).toLocaleString("en");
  assertEquals(summary.includes(`${knee.concurrency} callers got ${rate} replies`), true);
  assertEquals([summary.split(". ").length, noise], [2, undefined]);
});

Deno.test("verdictOf() without a change, and without a measurement", () => {
  const advice = report.advice.map((one) => ({ ...one, value: one.current }));
  assertMatch(
    verdictOf({ ...report, advice }).summary,
    /^Keep the settings as they are\. /,
  );
  const one = advice.filter(({ key }) => key === "max_lanes")
    .map((one) => ({ ...one, value: 2 }));
  assertMatch(
    verdictOf({ ...report, advice: one }).summary,
    /^Change max_lanes from 1 to 2\. With 2 lanes, /,
  );
  assertEquals(verdictOf({ ...report, points: [], knees: [], advice: [] }), {
    summary: "Too little was measured to recommend a setting.",
  });
});

Deno.test("verdictOf() says that the machine was noisy, by the middle of all measurements", () => {
  const with3 = (...shares: number[]) => shares.map((share) => noisy(share));
  assertEquals(noiseShare([]), 0);
  assertEquals(Math.round(100 * noiseShare(with3(0.01, 0.2, 0.9))), 20);
  // One bad measurement says nothing of the others.
  const calm = { ...report, points: with3(0.01, 0.02, 0.9) };
  assertEquals(verdictOf(calm).noise, undefined);
  assertMatch(
    verdictOf({ ...report, points: with3(0.01, 0.2, 0.9) }).noise ?? "",
    /^The machine was too noisy for this to be relied on: .*±20 %/,
  );
});

Deno.test("nearCacheLines() says for each mix whether a near cache pays", () => {
  const at = (subject: Subject, mix: Mix, median: number) =>
    makePoint({
      ...{ sweep: "mixes", subject, mix },
      perSecond: { median, low: median * 0.9, high: median * 1.1 },
    });
  const points = [
    at("mooring", "get-heavy", 1000),
    at("near cache", "get-heavy", 5000),
    at("mooring", "write-heavy", 1000),
    at("near cache", "write-heavy", 500),
    at("mooring", "pipeline", 1000),
  ];
  const lines = nearCacheLines(points);
  assertEquals(lines.length, 2);
  assertMatch(lines[0]!, /^near cache, get-heavy: pays, 5,000 .* 1,000 .*5\.00 times/);
  assertMatch(lines[1]!, /^near cache, write-heavy: costs more than it brings, 500 /);
  const [same] = nearCacheLines([points[0]!, at("near cache", "get-heavy", 1010)]);
  assertMatch(same!, /^near cache, get-heavy: makes no difference, /);
  assertEquals(nearCacheLines([points[1]!]), []);
});
