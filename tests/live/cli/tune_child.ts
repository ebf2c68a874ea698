/**
 * Runs `tune` with the arguments of this process, as the command line does.
 *
 * @module
 */
import { CliExit } from "../../../src/cli/terminal.ts";
import { makeTuneCommand } from "../../../src/cli/tune/command.ts";

const encoder = new TextEncoder();

try {
  await makeTuneCommand({
    out: (text) => void Deno.stdout.writeSync(encoder.encode(text)),
    err: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
    isTerminal: false,
    isErrTerminal: true,
    useColor: false,
    columns: 80,
    env: () => undefined,
  }).parseAsync(Deno.args, { from: "user" });
} catch (error) {
  if (!(error instanceof CliExit)) throw error;
  console.error(error.message);
  Deno.exitCode = error.exitCode;
}
