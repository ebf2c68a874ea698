import type { Command, Option } from "commander";

/** An option, as a shell completes it. */
export interface OptionNode {
  /** All its forms, such as `-c` and `--config`. */
  readonly names: readonly string[];
  /** What it does, in a line. */
  readonly description: string;
  /** What follows it: nothing, a file, or another value. */
  readonly value: "none" | "file" | "other";
}

/** A command, as a shell completes it. */
export interface CommandNode {
  /** Its name. */
  readonly name: string;
  /** What it does, in a line. */
  readonly description: string;
  /** The words that lead to it, its own included, without the program's name. */
  readonly path: readonly string[];
  /** Its options. */
  readonly options: readonly OptionNode[];
  /** Words that may stand in place of an argument. */
  readonly choices: readonly string[];
  /** Whether files may. */
  readonly takesFile: boolean;
  /** Its commands. */
  readonly commands: readonly CommandNode[];
}

function optionNode({ short, long, description, required, optional, flags }: Option) {
  const names = [short, long].filter((name) => name !== undefined);
  const value = !required && !optional
    ? "none"
    : flags.includes("file")
    ? "file"
    : "other";
  return { names, description, value } as const;
}

/**
 * What a shell needs to know of a command and of all below it.
 *
 * @param command The command.
 * @param path The words that lead to it.
 * @returns The tree.
 */
export function describeTree(
  command: Command,
  path: readonly string[] = [],
): CommandNode {
  const help = command.createHelp();
  const args = command.registeredArguments;
  return {
    name: command.name(),
    description: command.description(),
    path,
    options: help.visibleOptions(command).map(optionNode),
    choices: args.flatMap(({ argChoices }) => argChoices ?? []),
    takesFile: args.some((argument) => argument.name() === "file"),
    commands: command.commands.map((child) =>
      describeTree(child, [...path, child.name()])
    ),
  };
}

/**
 * A command and all below it, in the order of the help.
 *
 * @param node The command.
 * @returns The list.
 */
export function flatten(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(flatten)];
}

/**
 * The words that may follow a command.
 *
 * @param node The command.
 * @returns Commands, choices of arguments, options.
 */
export function wordsAfter({ commands, choices, options }: CommandNode): string[] {
  return [
    ...commands.map(({ name }) => name),
    ...choices,
    ...options.flatMap(({ names }) => names),
  ];
}
