import { CommanderError } from "commander";
import { CliExit, ExitCode } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { makeProgram } from "./program.ts";

/**
 * Runs the command line.
 *
 * @param args The arguments, without the program's name.
 * @param io What it reads and writes.
 * @returns The exit code.
 */
export async function run(args: readonly string[], io: CliIo): Promise<number> {
  try {
    await makeProgram(io).parseAsync(args, { from: "user" });
    return ExitCode.OK;
  } catch (error) {
    return explain(error, io);
  }
}

/** Says what went wrong, and finds its exit code. */
function explain(error: unknown, io: CliIo): number {
  // The parser has said what there is to say.
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
  }
  if (error instanceof CliExit) {
    if (error.message !== "") io.err(`${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof Deno.errors.BrokenPipe) return ExitCode.BROKEN_PIPE;
  if (error instanceof Deno.errors.NotCapable) {
    io.err(`Cannot go on: ${error.message} (or with -A)\n`);
    return ExitCode.FAILED;
  }
  if (isExpected(error)) {
    io.err(`${error.message}\n`);
    return ExitCode.FAILED;
  }
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  io.err(`This is a bug of the program, please report it:\n${text}\n`);
  return ExitCode.BUG;
}

/** An error of the library: it says all there is to say, without secrets. Told by its
 * shape, as loading the class would load the client. */
function isExpected(error: unknown): error is Error {
  return error instanceof Error && "code" in error && "retryable" in error;
}
