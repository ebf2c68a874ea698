/**
 * `deno task bench`: measures a server and recommends settings for it, with plain ioredis
 * and node-redis beside the manager; the options are those of `tune`.
 *
 * With `--check` it runs the suites that measure whole commands on a server instead, and
 * ends with 1 if a bound of theirs is missed: `--quick` takes shorter rounds, `--only=TEXT`
 * runs the rows of the speed suite whose name has the text in it. `REDIS_URL` names the
 * server; without it one is started for the run.
 *
 * @module
 */
import { CommanderError } from "commander";
import { CliExit, ExitCode } from "../src/cli/exit.ts";
import { terminalIo } from "../src/cli/terminal.ts";
import { makeTuneCommand } from "../src/cli/tune/command.ts";
import { ensureRedisServer } from "../tests/support/redis_binary.ts";
import { runSuites, type SuiteOptions } from "./suites.ts";
import { ioredisContender, nodeRedisContender } from "./tune/rivals.ts";

const USAGE = "Usage: deno task bench --check [--quick] [--only=TEXT]";

function parseCheck(args: readonly string[]): SuiteOptions | undefined {
  const parsed: SuiteOptions = {};
  for (const arg of args) {
    if (arg === "--quick") parsed.quick = true;
    else if (arg.startsWith("--only=")) parsed.only = arg.slice("--only=".length);
    else if (arg !== "--check") return undefined;
  }
  return parsed;
}

async function check(args: readonly string[]): Promise<number> {
  const options = parseCheck(args);
  if (options === undefined) {
    console.error(USAGE);
    return ExitCode.USAGE;
  }
  return await runSuites(options) > 0 ? 1 : 0;
}

async function tune(args: readonly string[]): Promise<number> {
  const io = terminalIo();
  // Where no server is named, one is installed if it can be.
  if (!args.some((arg) => /^(--url|--config|-u|-c)/.test(arg))) await ensureRedisServer();
  const command = makeTuneCommand(io, {
    rivals: [ioredisContender(), nodeRedisContender()],
  });
  try {
    await command.name("bench").exitOverride().parseAsync([...args], { from: "user" });
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
  const run = Deno.args.includes("--check") ? check : tune;
  Deno.exitCode = await run(Deno.args);
}
