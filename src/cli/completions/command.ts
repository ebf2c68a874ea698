import { Argument, Command } from "commander";
import type { CliIo } from "../io.ts";
import { bashCompletions } from "./bash.ts";
import { fishCompletions } from "./fish.ts";
import { describeTree } from "./tree.ts";
import { zshCompletions } from "./zsh.ts";

const WRITERS = {
  bash: bashCompletions,
  zsh: zshCompletions,
  fish: fishCompletions,
} as const;

/** A shell that there are completions for. */
type Shell = keyof typeof WRITERS;

const AFTER_HELP = `
Examples:
  mooring completions bash > ~/.local/share/bash-completion/completions/mooring
  mooring completions zsh > ~/.zfunc/_mooring
  mooring completions fish > ~/.config/fish/completions/mooring.fish
`;

/**
 * `completions`: a script that completes commands and options in a shell.
 *
 * @param io What it reads and writes.
 * @param program The whole program: what is completed.
 * @returns The command.
 */
export function makeCompletionsCommand(io: CliIo, program: Command): Command {
  return new Command("completions")
    .description("print a script that completes commands and options in a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(WRITERS)))
    .addHelpText("after", AFTER_HELP)
    .action((shell: Shell) => io.out(WRITERS[shell](describeTree(program))));
}
