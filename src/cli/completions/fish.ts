import { type CommandNode, flatten, type OptionNode } from "./tree.ts";

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** Holds where the words of a command have been typed, and no further command's. */
function condition({ path, commands }: CommandNode): string {
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const names = commands.map(({ name }) => name).join(" ");
  const open = names === "" ? [] : [`not __fish_seen_subcommand_from ${names}`];
  return [...seen, ...open].join("; and ");
}

function optionFlags({ names, value }: OptionNode): string {
  const flags = names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
  );
  const follows = value === "none" ? [] : value === "file" ? ["-r", "-F"] : ["-x"];
  return [...flags, ...follows].join(" ");
}

function linesOf(node: CommandNode, program: string): string[] {
  const start = `complete -c ${program} -n ${quote(condition(node))}`;
  return [
    ...node.commands.map(({ name, description }) =>
      `${start} -a ${name} -d ${quote(description)}`
    ),
    ...node.choices.map((choice) => `${start} -a ${choice}`),
    ...(node.takesFile ? [`${start} -F`] : []),
    ...node.options.map((option) =>
      `${start} ${optionFlags(option)} -d ${quote(option.description)}`
    ),
  ];
}

/**
 * A script that completes a program in fish.
 *
 * @param program The program.
 * @returns The script.
 */
export function fishCompletions(program: CommandNode): string {
  const lines = flatten(program).flatMap((node) => linesOf(node, program.name));
  return `# fish completion of ${program.name}
complete -c ${program.name} -f
${lines.join("\n")}
`;
}
