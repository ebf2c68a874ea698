import { milliseconds, thousands } from "../numbers.ts";
import type { TuneReport } from "./report_types.ts";
import { describeSpec } from "./plan.ts";
import { isLarger } from "./statistics.ts";

/** The result of a comparison. */
interface Comparison {
  /** How many combinations both runs have. */
  readonly compared: number;
  /** What became worse, with both figures. */
  readonly regressions: readonly string[];
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
  const regressions: string[] = [];
  for (const point of after.points) {
    const what = describeSpec(point);
    const old = known.get(what);
    if (old === undefined) continue;
    compared++;
    const [was, is] = [old.perSecond, point.perSecond];
    if (isLarger(was, is)) {
      regressions.push(
        `${what}: ${thousands(is.median)} commands/s, ${thousands(was.median)} before`,
      );
    }
    const [fast, slow] = [old.latencyMs.p99, point.latencyMs.p99];
    if (isLarger(slow, fast) && slow.median > fast.median * P99_FACTOR) {
      const [now, then] = [slow, fast].map(({ median }) => milliseconds(median));
      regressions.push(`${what}: p99 ${now} ms, ${then} before`);
    }
    if (old.errors === 0 && point.errors > 0) {
      regressions.push(`${what}: ${point.errors} commands failed, 0 before`);
    }
  }
  return { compared, regressions, differences: differencesOf(before, after) };
}

function differencesOf(before: TuneReport, after: TuneReport): string[] {
  const facts = ({ effort, machine, server }: TuneReport): Record<string, string> => ({
    runtime: machine.runtime,
    machine: `${machine.os} ${machine.arch}, ${machine.cores} cores`,
    server: server.version,
    effort,
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
    const why = error instanceof Deno.errors.NotFound
      ? "the file does not exist"
      : (error as Error).message;
    throw new Error(`Cannot read the report ${path}: ${why}`);
  }
  const { points, version } = Object(found);
  if (version === 2 && Array.isArray(points)) return found as TuneReport;
  throw new Error(`Cannot read the report ${path}: it is no report of version 2`);
}

/** A comparison as text for a terminal. */
export function comparisonText(
  { compared, differences, regressions }: Comparison,
): string {
  return [
    ...differences.map((difference) => `Different ${difference}`),
    ...regressions.map((regression) => `WORSE ${regression}`),
    `${compared} combinations compared, ${regressions.length} figures worse by more than ` +
    "the noise",
    "",
  ].join("\n");
}
