import { assertEquals, assertStringIncludes } from "@std/assert";
import { compareReports, comparisonText } from "../../../../src/cli/tune/compare.ts";
import type { Point, TuneReport } from "../../../../src/cli/tune/report_types.ts";
import { type ServerFacts, usageSigns } from "../../../../src/cli/tune/server_view.ts";
import { makePoint, percentiles } from "./point.ts";

function point(values: Partial<Point>): Point {
  const p99 = { median: 2, low: 1.9, high: 2.1 };
  return makePoint({ latencyMs: { ...percentiles(1, 2, 3, 4), p99 }, ...values });
}

function report(points: readonly Point[], runtime = "Deno 2.9.6"): TuneReport {
  return {
    version: 2,
    startedAt: "2026-01-01T00:00:00Z",
    seconds: 1,
    effort: "quick",
    machine: { runtime, v8: "14", os: "linux", arch: "x86_64", cores: 2 },
    server: {
      endpoint: "127.0.0.1:6379",
      version: "7.0.15",
      ioThreads: 1,
      maxClients: 10_000,
      isThrowAway: true,
    },
    clients: { mooring: "0.1.0" },
    points,
    knees: [],
    advice: [],
  };
}

const found = (before: Partial<Point>, after: Partial<Point>) =>
  compareReports(report([point(before)]), report([point(after)])).regressions;

Deno.test("compareReports() names what is worse by more than the noise", () => {
  assertEquals(found({}, {}), []);
  assertEquals(found({}, { perSecond: { median: 970, low: 950, high: 990 } }), []);
  assertEquals(found({}, { perSecond: { median: 800, low: 400, high: 1200 } }), []);
  const [slower] = found({}, { perSecond: { median: 800, low: 780, high: 820 } });
  const what = "lanes: mooring get-heavy, 1 lanes, 64 callers, 128 B";
  assertEquals(slower, `${what}: 800 commands/s, 1,000 before`);
  const p99 = { median: 4, low: 3.9, high: 4.1 };
  assertEquals(found({}, { latencyMs: { ...percentiles(1, 2, 3, 4), p99 } }), [
    `${what}: p99 4.00 ms, 2.00 before`,
  ]);
  assertEquals(found({}, { errors: 3 }), [`${what}: 3 commands failed, 0 before`]);
});

Deno.test("compareReports() is content with what is better, and leaves out the rest", () => {
  assertEquals(found({}, { perSecond: { median: 2000, low: 1900, high: 2100 } }), []);
  const other = compareReports(report([point({})]), report([point({ lanes: 2 })]));
  assertEquals([other.compared, other.regressions], [0, []]);
});

Deno.test("compareReports() says why two runs may not be comparable", () => {
  const comparison = compareReports(report([]), report([], "Deno 2.8.3"));
  assertEquals(comparison.differences, ["runtime: Deno 2.9.6 before, Deno 2.8.3 now"]);
  assertStringIncludes(comparisonText(comparison), "Different runtime");
});

Deno.test("usageSigns() lists every sign that the server is in use", () => {
  const idle: ServerFacts = {
    version: "7.0.15",
    role: "master",
    replicas: 0,
    isCluster: false,
    otherClients: 0,
    keys: 0,
    ioThreads: 1,
    maxClients: 10_000,
  };
  assertEquals(usageSigns(idle), []);
  assertEquals(
    usageSigns({
      ...idle,
      role: "slave",
      replicas: 2,
      isCluster: true,
      otherClients: 1,
      keys: 12_345,
    }),
    [
      "12,345 keys",
      "1 other client",
      "2 replicas",
      "it is a replica itself",
      "it is a node of a cluster",
    ],
  );
});
