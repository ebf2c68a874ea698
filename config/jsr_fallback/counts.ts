/** How many tests passed and failed. */
export interface Counts {
  /** Tests that passed. */
  passed: number;
  /** Tests that failed. */
  failed: number;
}

/** What sets colours in a terminal. */
// deno-lint-ignore no-control-regex
export const COLOURS = /\x1b\[[0-9;]*m/g;
const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/gm;

/** The last line of a task that runs tests, in more than one part as the case may be. */
const LAST_LINE = /^(\d+) passed, (\d+) failed$/;

/**
 * The counts that a test runner printed: the last ones, as a test may print what looks
 * like a summary too.
 *
 * @param output What `deno test` or a task printed, with or without colours.
 * @returns The counts; zeros when there is no summary.
 */
export function readCounts(output: string): Counts {
  const plain = output.replace(COLOURS, "");
  const lastLine = plain.trimEnd().split("\n").at(-1)!;
  const [, passed, failed] = LAST_LINE.exec(lastLine) ??
    [...plain.matchAll(SUMMARY)].at(-1) ?? [];
  return { passed: Number(passed ?? 0), failed: Number(failed ?? 0) };
}

/**
 * The one line in which every run of tests ends.
 *
 * @param counts The counts to print.
 * @returns The line, without its break.
 */
export function formatCounts(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed`;
}
