import { Command } from "commander";
import { makeCompletionsCommand } from "./completions/command.ts";
import { makeConfigCommand } from "./config/command.ts";
import { makeDoctorCommand } from "./doctor/command.ts";
import type { CliIo } from "./io.ts";
import { makePaint } from "./paint.ts";
import { makeStatsCommand } from "./stats/command.ts";
import { makeTuneCommand } from "./tune/command.ts";
import { VERSION } from "./version.ts";

/** Name of the program in help and completions. */
export const PROGRAM = "mooring";

const AFTER_HELP = `
Exit codes:
  0   everything is as it should be
  1   it works, and something deserves a look (doctor, config check)
  2   something does not work, or the command could not do what it was asked for
  64  wrong usage

Without installing: deno run -A jsr:@mooring/redis/cli <command>
As a command:       deno install -gA -n ${PROGRAM} jsr:@mooring/redis/cli
`;

/**
 * Builds the command line. Commands load what they need when they are run: help and
 * completions need no permission and load no client.
 *
 * @param io What the commands read and write.
 * @returns The program; nothing is parsed yet.
 */
export function makeProgram(io: CliIo): Command {
  const program = new Command(PROGRAM)
    .description("Looks after the Redis databases of a service: @mooring/redis")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print what there is to say about a command")
    .addHelpText("after", AFTER_HELP);
  program.addCommand(makeDoctorCommand(io));
  program.addCommand(makeStatsCommand(io));
  program.addCommand(makeConfigCommand(io));
  program.addCommand(makeTuneCommand(io));
  program.addCommand(makeCompletionsCommand(io, program));
  settle(program, io);
  return program;
}

/** What holds for every command, wherever it was made. */
function settle(command: Command, io: CliIo): void {
  const paint = makePaint(io.useColor);
  command
    .exitOverride()
    .showHelpAfterError(`(${pathOf(command)} --help says more)`)
    .configureHelp({ styleTitle: paint.bold })
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(withoutCredentials(text)),
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
      getOutHasColors: () => io.useColor,
      getErrHasColors: () => io.useColor && io.isErrTerminal,
    });
  for (const child of command.commands) settle(child, io);
}

/** What the parser repeats of the arguments may be a URL with a password. */
function withoutCredentials(text: string): string {
  return text.replaceAll(/:\/\/[^\s/@]*@/g, "://***@");
}

/** The words that call a command, such as `mooring config check`. */
function pathOf(command: Command): string {
  return command.parent === null
    ? command.name()
    : `${pathOf(command.parent)} ${command.name()}`;
}
