/**
 * `deno task bench`: measures a server and recommends settings for it, with plain ioredis
 * and node-redis beside the manager; the options are those of `tune`. The report is
 * `bench-report.html`, and its data `bench-report.json`, where no other files are named.
 *
 * With `--check` it runs the suites that measure whole commands on a server instead, and
 * ends with 1 if a bound of theirs is missed: `--quick` takes shorter rounds, `--only=TEXT`
 * runs the rows of the speed suite whose name has the text in it. With `--values` it
 * measures large values beside other clients, with the same options. `REDIS_URL` names the
 * server; without it one is started for the run. `--only=recovery` kills a server of its
 * own again and again, and measures how soon it is served after its return.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { CommanderError } from "commander";
import { CliExit, ExitCode, terminalIo } from "../src/cli/terminal.ts";
import { makeTuneCommand } from "../src/cli/tune/command.ts";
import type { ExtraSection } from "../src/cli/tune/report/page.ts";
import { ensureRedisServer } from "../tests/support/redis_binary.ts";
import type { SuiteOptions } from "./suites.ts";
import { ioredisContender, nodeRedisContender } from "./tune/rivals.ts";

const USAGE = "Usage: deno task bench --check|--values [--quick] [--only=TEXT]\n" +
  "       deno task bench --only=recovery [--quick]";
/** What is measured apart from the tuning. */
const SUITES: readonly string[] = ["--check", "--values", "--only=recovery"];

async function check(args: readonly string[]): Promise<number> {
  const [flag, text] = [{ type: "boolean" }, { type: "string" }] as const;
  const options = { check: flag, values: flag, quick: flag, only: text };
  let values: SuiteOptions & { values?: boolean };
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return ExitCode.USAGE;
  }
  if (values.values) {
    const { runValues } = await import("./values_bench.ts");
    return await runValues(values);
  }
  const { runSuites } = await import("./suites.ts");
  return await runSuites(values) > 0 ? 1 : 0;
}

/** The arguments, with files for the report where they name none. */
function withReport(args: readonly string[]): string[] {
  const names = (option: string) =>
    args.some((arg) => arg === option || arg.startsWith(`${option}=`));
  return [
    ...args,
    ...names("--report") ? [] : ["--report", "bench-report.html"],
    ...names("--json") ? [] : ["--json", "bench-report.json"],
  ];
}

/** What many instances do to one server: the simulation, small. */
async function sections(): Promise<ExtraSection[]> {
  const { QUICK, simulate } = await import("./simulation/run.ts");
  const { simulationSection } = await import("./simulation/section.ts");
  return [simulationSection(await simulate(QUICK))];
}

async function tune(args: readonly string[]): Promise<number> {
  const io = terminalIo();
  // Where no server is named, one is installed if it can be.
  if (!args.some((arg) => /^(--url|--config|-u|-c)/.test(arg))) await ensureRedisServer();
  const command = makeTuneCommand(io, {
    rivals: [ioredisContender(), nodeRedisContender()],
    // It takes as long as a quick run may take altogether.
    ...args.some((arg) => arg === "--quick" || arg === "-q") ? {} : { sections },
  });
  try {
    await command.name("bench").exitOverride().parseAsync(withReport(args), {
      from: "user",
    });
    return ExitCode.OK;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
    }
    if (!(error instanceof CliExit)) throw error;
    if (error.message !== "") io.err(`${error.message}\n`);
    return error.exitCode;
  }
}

if (import.meta.main) {
  const run = Deno.args.some((arg) => SUITES.includes(arg)) ? check : tune;
  Deno.exitCode = await run(Deno.args);
}
