import type { ExplainedValue } from "../../../mod.ts";
import { explainLines } from "../config.ts";
import { listNames } from "../table.ts";
import { type CliIo, ExitCode, makePaint, wrap } from "../terminal.ts";

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
interface DoctorReport {
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

/** A setting of a database, as the report prints it. */
interface Setting extends Omit<ExplainedValue, "path"> {
  /** `databases.` and a name. */
  readonly scope: string;
  /** Its name in code. */
  readonly path: string;
}

/** What is printed beside the findings. */
interface ReportTextOptions {
  /** What was checked, such as `2 databases of config/redis-databases.yaml`. */
  readonly subject: string;
  /** The settings of the databases. */
  readonly settings: readonly Setting[];
  /** Whether what is fine is printed too, and the settings that are defaults. */
  readonly all?: boolean;
}

/**
 * The report as text: failures, warnings, then the settings that are not defaults. What
 * holds for several databases is said once.
 */
export function reportText(
  io: CliIo,
  { exitCode, findings, summary }: DoctorReport,
  { all = false, settings, subject }: ReportTextOptions,
): string {
  const { bold, dim, green, red, yellow } = makePaint(io.useColor);
  const colors = { ok: green, warn: yellow, fail: red, skip: dim };
  const section = (...statuses: Status[]) =>
    saidOnce(findings.filter(({ status }) => statuses.includes(status)))
      .flatMap(([scopes, findings]) => [
        bold(headingOf(scopes)),
        ...findings.flatMap(({ advice, check, message, status }) => [
          wrap(io, `  ${colors[status](status.padEnd(4))} ${check}: ${message}`, 9),
          ...(advice === undefined ? [] : [wrap(io, `       → ${advice}`, 9)]),
        ]),
      ]);
  const isDefault = ({ origin }: { readonly origin: string }) => origin === "default";
  const shown = settings.filter((setting) => {
    const { overrode, value } = setting;
    return all || !(isDefault(setting) || overrode.find(isDefault)?.value === value);
  }).map((setting) => ({
    ...setting,
    overrode: setting.overrode.filter((other) => !isDefault(other)),
  }));
  const values = saidOnce(shown).flatMap(([scopes, settings]) => [
    bold(`settings of ${headingOf(scopes)}`),
    ...explainLines(io, settings).map((line) => `  ${line}`),
  ]);
  const counts = Object.entries(summary).filter(([, count]) => count > 0)
    .map(([status, count]) => `${count} ${status}`).join(", ");
  const verdict = exitCode === 0 ? `All checks passed of ${subject}` : subject;
  const isComplete = all || summary.ok + summary.skip === 0;
  const more = isComplete ? "" : "; --all shows the rest";
  return [
    section("fail"),
    section("warn"),
    all ? section("ok", "skip") : [],
    values,
    [wrap(io, `${verdict}: ${counts}${more}`, 0)],
  ].filter((lines) => lines.length > 0).map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

/** Puts together what is the same in several scopes, and scopes that have the same. */
function saidOnce<T extends { readonly scope: string }>(
  items: readonly T[],
): [scopes: string[], items: T[]][] {
  const same = Map.groupBy(items, (item) => JSON.stringify({ ...item, scope: "" }));
  const scopesOf = (group: readonly T[]) => [...new Set(group.map(({ scope }) => scope))];
  const groups = Map.groupBy(same.values(), (group) => scopesOf(group).join());
  return [...groups.values()].map((groups) => [
    scopesOf(groups[0]!),
    groups.map(([first]) => first!),
  ]);
}

/** `databases.main`, or `databases.main, cache`. */
function headingOf([first = "", ...rest]: readonly string[]): string {
  return listNames([first, ...rest.map((scope) => scope.replace(/^databases\./, ""))]);
}
