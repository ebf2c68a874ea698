import type { TuneReport } from "./report_types.ts";
import { describeSpec } from "./plan.ts";
import { isLarger } from "./statistics.ts";

/** What became worse by more than the noise. */
interface Regression {
  /** What was measured, in words. */
  readonly what: string;
  /** The figure. */
  readonly figure: "throughput" | "p99" | "errors";
  /** What it was. */
  readonly before: number;
  /** What it is. */
  readonly after: number;
}

/** The result of a comparison. */
interface Comparison {
  /** How many combinations both runs have. */
  readonly compared: number;
  /** What became worse. */
  readonly regressions: readonly Regression[];
  /** Why the two may not be comparable. */
  readonly differences: readonly string[];
}

/** A p99 counts as worse from this factor on: a few slow replies decide it. */
const P99_FACTOR = 1.25;

/**
 * Compares two runs, combination by combination.
 *
 * @param before The older one.
 * @param after The newer one.
 * @returns What became worse by more than the noise of both.
 */
export function compareReports(before: TuneReport, after: TuneReport): Comparison {
  const known = new Map(before.points.map((point) => [describeSpec(point), point]));
  let compared = 0;
  const regressions: Regression[] = [];
  for (const point of after.points) {
    const what = describeSpec(point);
    const old = known.get(what);
    if (old === undefined) continue;
    compared++;
    if (isLarger(old.perSecond, point.perSecond)) {
      const [was, is] = [old.perSecond.median, point.perSecond.median];
      regressions.push({ what, figure: "throughput", before: was, after: is });
    }
    const [was, is] = [old.p99Ms, point.p99Ms];
    if (was && is && isLarger(is, was) && is.median > was.median * P99_FACTOR) {
      regressions.push({ what, figure: "p99", before: was.median, after: is.median });
    }
    if (old.errors === 0 && point.errors > 0) {
      regressions.push({ what, figure: "errors", before: 0, after: point.errors });
    }
  }
  return { compared, regressions, differences: differencesOf(before, after) };
}

function differencesOf(before: TuneReport, after: TuneReport): string[] {
  const facts = (report: TuneReport): Record<string, string> => ({
    runtime: report.machine.runtime,
    machine: `${report.machine.os} ${report.machine.arch}, ${report.machine.cores} cores`,
    server: report.server.version,
    effort: report.effort,
  });
  const [old, now] = [facts(before), facts(after)];
  return Object.keys(old).filter((name) => old[name] !== now[name])
    .map((name) => `${name}: ${old[name]} before, ${now[name]} now`);
}

/**
 * Reads a report that an earlier run wrote.
 *
 * @param path The file.
 * @returns The report.
 * @throws {Error} If it is none.
 */
export async function readReport(path: string): Promise<TuneReport> {
  let found: unknown;
  try {
    found = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot read the report ${path}: ${why}`);
  }
  const { points, version } = Object(found);
  if (version === 1 && Array.isArray(points)) return found as TuneReport;
  throw new Error(`Cannot read the report ${path}: it is no report of version 1`);
}

/** A comparison as text for a terminal. */
export function comparisonText(
  { compared, differences, regressions }: Comparison,
): string {
  const round = (value: number) => Math.round(value).toLocaleString("en");
  const lines = regressions.map(({ after, before, figure, what }) => {
    if (figure === "errors") return `WORSE ${what}: ${after} commands failed, 0 before`;
    if (figure === "throughput") {
      return `WORSE ${what}: ${round(after)} commands/s, ${round(before)} before`;
    }
    const digits = after < 10 ? 2 : 0;
    return `WORSE ${what}: p99 ${after.toFixed(digits)} ms, ` +
      `${before.toFixed(digits)} before`;
  });
  return [
    ...differences.map((difference) => `Different ${difference}`),
    ...lines,
    `${compared} combinations compared, ${regressions.length} figures worse by more than ` +
    "the noise",
    "",
  ].join("\n");
}
