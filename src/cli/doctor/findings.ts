import type { ExplainedValue } from "../../../mod.ts";
import { explainLines } from "../config.ts";
import { type CliIo, ExitCode, makePaint } from "../terminal.ts";

/** How a check ended. */
type Status = "ok" | "warn" | "fail" | "skip";

/** The result of a check. */
export interface Verdict {
  /** How it ended. */
  readonly status: Status;
  /** What was found, with the numbers; no secrets. */
  readonly message: string;
  /** What to do about it, where there is something to do. */
  readonly advice?: string;
}

const verdict = (status: Status) => (message: string, advice?: string): Verdict => ({
  ...{ status, message },
  ...(advice === undefined ? {} : { advice }),
});

/** The check passed. */
export const ok = verdict("ok");
/** It was not checked, or there is nothing to check. */
export const skip = verdict("skip");
/** It works, and may be wrong: the advice says what to do. */
export const warn = verdict("warn");
/** It does not work: the advice says what to do. */
export const fail = verdict("fail");

/** One line of the doctor. */
export interface Finding extends Verdict {
  /** `configuration`, `process`, or `databases.` and a name. */
  readonly scope: string;
  /** What was checked, such as `connect`. */
  readonly check: string;
}

/** What the doctor prints with `--json`. */
export interface DoctorReport {
  /** Version of this shape. */
  readonly version: 1;
  /** The exit code: 0 if all checks passed, 1 with warnings, 2 with failures. */
  readonly exitCode: number;
  /** Findings by status. */
  readonly summary: Readonly<Record<Status, number>>;
  /** The findings, in the order of the checks. */
  readonly findings: readonly Finding[];
  /** Every effective value with its origin; secrets are masked. */
  readonly config: readonly ExplainedValue[];
}

/** Makes the report of findings; the configuration is empty if it is not valid. */
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

/**
 * The report as text: failures, warnings, then what passed or was skipped, and the values
 * that are not defaults.
 */
export function reportText(io: CliIo, report: DoctorReport): string {
  const { bold, dim, green, red, yellow } = makePaint(io.useColor);
  const colors = { ok: green, warn: yellow, fail: red, skip: dim };
  const section = (...statuses: Status[]) => {
    const found = report.findings.filter(({ status }) => statuses.includes(status));
    return [...Map.groupBy(found, ({ scope }) => scope)].flatMap(([scope, findings]) => [
      bold(scope),
      ...findings.flatMap(({ advice, check, message, status }) => [
        `  ${colors[status](status.padEnd(4))} ${check}: ${message}`,
        ...(advice === undefined ? [] : [`       → ${advice}`]),
      ]),
    ]);
  };
  const changed = report.config.filter(({ origin }) => origin !== "default");
  const defaults = report.config.length - changed.length;
  const values = report.config.length === 0 ? [] : [
    bold("settings") +
    dim(` (and ${defaults} defaults, see: mooring config explain)`),
    ...explainLines(changed).map((line) => `  ${line}`),
  ];
  const counts = Object.entries(report.summary).map(([status, n]) => `${n} ${status}`);
  return [section("fail"), section("warn"), section("ok", "skip"), values, [
    report.exitCode === 0 ? `All checks passed: ${counts.join(", ")}` : counts.join(", "),
  ]].filter((lines) => lines.length > 0).map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}
