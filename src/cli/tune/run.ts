import { CliExit, ExitCode } from "../exit.ts";
import type { CliIo } from "../io.ts";
import { Progress } from "../progress.ts";
import { VERSION } from "../version.ts";
import type { TuneArguments, TuneExtras } from "./command.ts";
import { compareReports, readReport } from "./compare.ts";
import { mooringContender } from "./mooring.ts";
import { changesOf, writePatch } from "./patch.ts";
import { type Effort, FULL, QUICK } from "./plan.ts";
import type { TuneReport } from "./report_types.ts";
import { findTarget, type Target } from "./target.ts";
import { comparisonText, reportText } from "./text.ts";
import { ProductionServerError, runTune } from "./tune.ts";

/** What a shell gives for SIGINT. */
const INTERRUPTED = 130;

/**
 * Runs `tune`.
 *
 * @param io What it reads and writes.
 * @param options What the user asked for.
 * @param extras What the program adds.
 * @throws {CliExit} With every other exit code than 0.
 */
export async function runTuneCommand(
  io: CliIo,
  options: TuneArguments,
  extras: TuneExtras,
): Promise<void> {
  checkOptions(options);
  const before = options.compare === undefined
    ? undefined
    : await orExit(readReport(options.compare));
  await using target = await orExit(findTarget({ ...options, env: io.env }));
  const report = await measure(io, options, extras, target);
  io.out(`${reportText(report, target.database)}`);
  await orExit(writeFiles(io, options, extras, report));
  if (options.write) await write(io, options.config!, report, target);
  if (before === undefined) return;
  const comparison = compareReports(before, report);
  io.out(`\n${comparisonText(comparison)}`);
  if (comparison.regressions.length > 0) throw new CliExit(ExitCode.WARNINGS);
}

function checkOptions(options: TuneArguments): void {
  const usage = (message: string) => new CliExit(ExitCode.USAGE, message);
  const { config, database, url, write } = options;
  if (config !== undefined && url !== undefined) {
    throw usage("--config and --url are two servers: give one of them");
  }
  if (config === undefined && database !== undefined) {
    throw usage("--database needs the --config that it is in");
  }
  if (config === undefined && write) throw usage("--write needs a --config to write to");
}

/** Ends the command with the error's own words. */
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
  options: TuneArguments,
  extras: TuneExtras,
  target: Target,
): Promise<TuneReport> {
  using interruption = new Interruption(io);
  using progress = new Progress(io, { label: "measuring" });
  const { only, rate } = options;
  try {
    return await runTune({
      target,
      effort: effortOf(options),
      contenders: [mooringContender(VERSION), ...extras.rivals ?? []],
      isAllowed: options.yes === true,
      signal: interruption.signal,
      onProgress: (done, total, label) => {
        progress.reach(done, total);
        progress.note(label);
      },
      ...(only === undefined ? {} : { only }),
      ...(rate === undefined ? {} : { rate }),
    });
  } catch (error) {
    if (interruption.signal.aborted) {
      throw new CliExit(INTERRUPTED, "Interrupted; the keys of the run are removed");
    }
    if (error instanceof ProductionServerError || isExpected(error)) {
      throw new CliExit(ExitCode.FAILED, error.message);
    }
    throw error;
  }
}

/** An error of the library says all there is to say. */
function isExpected(error: unknown): error is Error {
  return error instanceof Error && "code" in error && "retryable" in error;
}

function effortOf({ duration, quick }: TuneArguments): Effort {
  const effort = quick ? QUICK : FULL;
  return duration === undefined ? effort : { ...effort, seconds: duration };
}

async function writeFiles(
  io: CliIo,
  { json, report: page }: TuneArguments,
  { sections }: TuneExtras,
  report: TuneReport,
): Promise<void> {
  if (json !== undefined) {
    await Deno.writeTextFile(json, `${JSON.stringify(report, null, 2)}\n`);
    io.err(`The report as JSON: ${json}\n`);
  }
  if (page !== undefined) {
    const { renderReport } = await import("./report/page.ts");
    await Deno.writeTextFile(page, renderReport(report, await sections?.()));
    io.err(`The report: ${page}\n`);
  }
}

async function write(
  io: CliIo,
  file: string,
  report: TuneReport,
  target: Target,
): Promise<void> {
  await orExit(writePatch(file, report.advice, target.database!, io.env));
  const count = Object.keys(changesOf(report.advice)).length;
  io.err(`${count} ${count === 1 ? "setting" : "settings"} written to ${file}\n`);
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Ctrl-C ends the run in order the first time; what is pressed again ends the process. */
class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener: () => void;

  constructor(io: CliIo) {
    this.#listener = () => {
      this.#controller.abort();
      io.err("\nEnding: the keys are removed first\n");
      this[Symbol.dispose]();
    };
    for (const name of SIGNALS) Deno.addSignalListener(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) Deno.removeSignalListener(name, this.#listener);
  }
}
