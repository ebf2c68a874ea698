/** How many tests passed and failed. */
export interface Counts {
  /** Tests that passed. */
  passed: number;
  /** Tests that failed. */
  failed: number;
}

// deno-lint-ignore no-control-regex
const COLOURS = /\x1b\[[0-9;]*m/g;
const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/gm;

/**
 * The counts that a test runner printed: the last ones, as a test may print what looks
 * like a summary too.
 *
 * @param output What `deno test` printed, with or without colours.
 * @returns The counts; zeros when there is no summary.
 */
export function readCounts(output: string): Counts {
  const [, passed, failed] = [...output.replace(COLOURS, "").matchAll(SUMMARY)].at(-1) ??
    [];
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
