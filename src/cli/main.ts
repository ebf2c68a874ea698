/**
 * The command line: writes files to start from (`init`), runs a server to try with (`dev`),
 * checks a configuration and its servers (`doctor`), shows statistics in the terminal
 * (`stats`), checks and explains configurations (`config`), measures a server and recommends
 * settings for it (`tune`).
 *
 * ```sh
 * deno run -A jsr:@mooring/redis/cli init
 * deno run -A jsr:@mooring/redis/cli doctor --config config/redis-databases.yaml
 * deno run -A jsr:@mooring/redis/cli stats --url http://localhost:8000/metrics --watch
 * deno run -A jsr:@mooring/redis/cli config check
 * deno install -gA -n mooring jsr:@mooring/redis/cli
 * ```
 *
 * Exit codes: 0 all checks passed; 1 it works, with warnings, or a database of `stats`
 * failed; 2 something does not work; 64 wrong usage.
 *
 * @module
 */
import { Command, CommanderError } from "commander";
import { RedisManagerError } from "../core/errors/base.ts";
import { VERSION } from "../core/version.ts";
import { addCommands } from "./commands.ts";
import { CliExit, type CliIo, ExitCode, makePaint, terminalIo } from "./terminal.ts";
import { makeTuneCommand } from "./tune/command.ts";

export type { CliIo } from "./terminal.ts";

const AFTER_HELP = `
Exit codes:
  0   all checks passed
  1   it works, with warnings; for stats: a database failed
  2   something does not work, or the command failed
  64  wrong usage

Without installing: deno run -A jsr:@mooring/redis/cli <command>
As a command:       deno install -gA -n mooring jsr:@mooring/redis/cli
`;

/**
 * Runs the command line, as the program itself does.
 *
 * @param args The arguments, such as `["config", "check"]`.
 * @param io What it reads and writes. Default: those of this process.
 * @returns The exit code; it never throws.
 *
 * @example Usage
 * ```ts
 * import { main } from "@mooring/redis/cli";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * let output = "";
 * const code = await main(["config", "schema"], {
 *   out: (text) => output += text,
 *   err: () => {},
 *   isTerminal: false,
 *   isErrTerminal: false,
 *   useColor: false,
 *   columns: 80,
 *   env: () => undefined,
 * });
 * assertEquals(code, 0);
 * assertStringIncludes(output, "max_connections");
 * ```
 */
export async function main(
  args: readonly string[],
  io: CliIo = terminalIo(),
): Promise<number> {
  try {
    await makeProgram(io).parseAsync(args, { from: "user" });
    return ExitCode.OK;
  } catch (error) {
    return reportError(error, io);
  }
}

function makeProgram(io: CliIo): Command {
  const program = new Command("mooring")
    .description(
      "Sets up, checks and measures the Redis databases of a service: @mooring/redis",
    )
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help for the command")
    .addHelpText("after", AFTER_HELP)
    .exitOverride()
    .showHelpAfterError("(--help lists commands and options)")
    .configureHelp({ styleTitle: makePaint(io.useColor).bold })
    .configureOutput({
      writeOut: (text) => io.out(text),
      // The parser repeats arguments, which may hold a password.
      writeErr: (text) => io.err(text.replaceAll(/:\/\/[^\s/@]*@/g, "://***@")),
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
      getOutHasColors: () => io.useColor,
      getErrHasColors: () => io.useColor && io.isErrTerminal,
    });
  addCommands(program, io);
  program.addCommand(makeTuneCommand(io).copyInheritedSettings(program));
  return program;
}

/** Writes what went wrong, and finds its exit code. */
function reportError(error: unknown, io: CliIo): number {
  // The parser has written its message.
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
  }
  if (error instanceof CliExit) {
    if (error.message !== "") io.err(`${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof Deno.errors.BrokenPipe) return ExitCode.BROKEN_PIPE;
  if (error instanceof Deno.errors.NotCapable) {
    io.err(`A permission is missing: ${error.message} (or with -A)\n`);
    return ExitCode.FAILED;
  }
  if (error instanceof RedisManagerError) {
    io.err(`${error.message}\n`);
    return ExitCode.FAILED;
  }
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  io.err(`This is a bug of the program, please report it:\n${text}\n`);
  return ExitCode.BUG;
}

// Not `Deno.exit` at once: what was opened is closed, and what was written is flushed.
if (import.meta.main) Deno.exitCode = await main(Deno.args);
