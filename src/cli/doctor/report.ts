import type { ExplainedValue } from "../../../mod.ts";
import { ExitCode } from "../exit.ts";

/** How a check ended. */
export type Status = "ok" | "warn" | "fail" | "skip";

/** One line of the doctor. */
export interface Finding {
  /** `configuration`, `process`, or `databases.` and a name. */
  readonly scope: string;
  /** What was looked at, such as `connect`. */
  readonly check: string;
  /** How it is. */
  readonly status: Status;
  /** What was found, with the numbers; no secrets. */
  readonly message: string;
  /** What to do about it, where there is something to do. */
  readonly advice?: string;
}

/** What the doctor prints with `--json`. */
export interface DoctorReport {
  /** Version of this shape. */
  readonly version: 1;
  /** The exit code: 0 if all is well, 1 for warnings, 2 for failures. */
  readonly exitCode: number;
  /** Lines by status. */
  readonly summary: Readonly<Record<Status, number>>;
  /** The lines. */
  readonly findings: readonly Finding[];
  /** Every effective value with its origin; secrets are masked. */
  readonly config: readonly ExplainedValue[];
}

/**
 * Sums the doctor's lines up.
 *
 * @param findings The lines.
 * @param config The effective configuration; empty if there is none.
 * @returns The report.
 */
export function makeReport(
  findings: readonly Finding[],
  config: readonly ExplainedValue[],
): DoctorReport {
  const summary = { ok: 0, warn: 0, fail: 0, skip: 0 };
  for (const { status } of findings) summary[status]++;
  const exitCode = summary.fail > 0
    ? ExitCode.FAILED
    : summary.warn > 0
    ? ExitCode.WARNINGS
    : ExitCode.OK;
  return { version: 1, exitCode, summary, findings, config };
}
