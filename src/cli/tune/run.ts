import { RedisManagerError } from "../../core/errors/base.ts";
import { counted } from "../numbers.ts";
import { Progress } from "../progress.ts";
import { CliExit, type CliIo, ExitCode, Interruption } from "../terminal.ts";
import { compareReports, comparisonText, readReport } from "./compare.ts";
import { type Contender, MOORING } from "./contender.ts";
import { changesOf, writePatch } from "./patch.ts";
import { FULL, QUICK } from "./plan.ts";
import type { ExtraSection } from "./report/page.ts";
import type { SweepName, TuneReport } from "./report_types.ts";
import { findTarget, type Target } from "./target.ts";
import { reportText } from "./text.ts";
import { runTune } from "./tune.ts";

/** Options of `tune`. */
export interface TuneOptions {
  /** A server. */
  readonly url?: string;
  /** The configuration's file. */
  readonly config?: string;
  /** Its database. */
  readonly database?: string;
  /** Whether a server is measured that appears to be in use. */
  readonly yes?: boolean;
  /** Whether the run takes less than a minute. */
  readonly quick?: boolean;
  /** How long the sweeps may take, in seconds. */
  readonly duration?: number;
  /** The sweeps; all by default. */
  readonly only?: readonly SweepName[];
  /** Commands a second of the open loop. */
  readonly rate?: number;
  /** File for the report as JSON. */
  readonly json?: string;
  /** File for the report as a page. */
  readonly report?: string;
  /** JSON report of an earlier run. */
  readonly compare?: string;
  /** Whether the changes are written into the configuration's file. */
  readonly write?: boolean;
}

/** What a program adds to the command. */
export interface TuneExtras {
  /** Clients that are measured beside the manager. Default: none. */
  readonly rivals?: readonly Contender[];
  /** Makes further sections of the page, after the sweeps. */
  readonly sections?: () => Promise<readonly ExtraSection[]>;
}

/**
 * Runs `tune`.
 *
 * @throws {CliExit} With every other exit code than 0.
 */
export async function runTuneCommand(
  io: CliIo,
  options: TuneOptions,
  extras: TuneExtras,
): Promise<void> {
  checkOptions(options);
  const { compare, config, json, report: page, write } = options;
  const before = compare === undefined ? undefined : await orExit(readReport(compare));
  await using target = await orExit(findTarget(options, io.env));
  const report = await measure(io, options, extras, target);
  io.out(reportText(io, report, target.database));
  if (json !== undefined) {
    await orExit(Deno.writeTextFile(json, `${JSON.stringify(report, null, 2)}\n`));
    io.err(`The report as JSON: ${json}\n`);
  }
  if (page !== undefined) {
    const { renderReport } = await import("./report/page.ts");
    const html = renderReport(report, await extras.sections?.());
    await orExit(Deno.writeTextFile(page, html));
    io.err(`The report: ${page}\n`);
  }
  if (write) {
    await orExit(writePatch(config!, report.advice, target.database!, io.env));
    const settings = counted(changesOf(report.advice).length, "setting");
    io.err(`${settings} written to ${config}\n`);
  }
  if (before === undefined) return;
  const comparison = compareReports(before, report);
  io.out(`\n${comparisonText(comparison)}`);
  if (comparison.regressions.length > 0) throw new CliExit(ExitCode.WARNINGS);
}

function checkOptions({ config, database, url, write }: TuneOptions): void {
  const problem = config !== undefined && url !== undefined
    ? "--config and --url are two servers: give one of them"
    : config === undefined && database !== undefined
    ? "--database needs the --config that it is in"
    : config === undefined && write
    ? "--write needs a --config to write to"
    : undefined;
  if (problem !== undefined) throw new CliExit(ExitCode.USAGE, problem);
}

/** Ends the command with the message of the error. */
async function orExit<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new CliExit(ExitCode.FAILED, error.message);
  }
}

async function measure(
  io: CliIo,
  { duration, only, quick, rate, yes = false }: TuneOptions,
  { rivals = [] }: TuneExtras,
  target: Target,
): Promise<TuneReport> {
  using interruption = new Interruption(() =>
    io.err("\nInterrupted: the keys are removed first\n")
  );
  using progress = new Progress(io, "measuring");
  const effort = quick ? QUICK : FULL;
  try {
    return await runTune({
      ...{ target, only, rate, isAllowed: yes, signal: interruption.signal },
      effort: { ...effort, seconds: duration ?? effort.seconds },
      contenders: [MOORING, ...rivals],
      onProgress: (done, total, label) => progress.update(done, total, label),
    });
  } catch (error) {
    if (interruption.signal.aborted) {
      throw new CliExit(
        ExitCode.INTERRUPTED,
        "Interrupted; the keys of the run are removed",
      );
    }
    if (!(error instanceof RedisManagerError)) throw error;
    throw new CliExit(ExitCode.FAILED, error.message);
  }
}
