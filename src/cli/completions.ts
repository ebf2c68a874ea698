/**
 * Scripts that complete commands and options in a shell, made from the commands themselves.
 *
 * @module
 */
import type { Command } from "commander";

/** An option, as a shell completes it. */
interface OptionWords {
  /** All its forms, such as `-c` and `--config`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly value: "none" | "file" | "other";
}

/** A command, as a shell completes it. */
interface CommandWords {
  /** The words that lead to it, without the program's name. */
  readonly path: readonly string[];
  readonly commands: readonly Command[];
  readonly options: readonly OptionWords[];
  /** Words that may stand in place of an argument. */
  readonly choices: readonly string[];
  readonly takesFile: boolean;
}

/**
 * A script that completes a program.
 *
 * @param shell The shell; bash from 3.2 on.
 * @param program The program.
 * @returns The script.
 */
export function completionScript(
  shell: "bash" | "zsh" | "fish",
  program: Command,
): string {
  const write = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
  return write(program.name(), wordsOf(program, []));
}

/** A command and all below it, in the order of the help. */
function wordsOf(command: Command, path: readonly string[]): CommandWords[] {
  const { commands, registeredArguments } = command;
  const options = command.createHelp().visibleOptions(command).map((option) => {
    const { description, flags, long, optional, required, short } = option;
    const takesFile = flags.includes("file") ? "file" : "other";
    return {
      names: [short, long].filter((name) => name !== undefined),
      description,
      value: required || optional ? takesFile : "none",
    } as const;
  });
  const choices = registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const takesFile = registeredArguments.some((argument) => argument.name() === "file");
  return [
    { path, commands, options, choices, takesFile },
    ...commands.flatMap((child) => wordsOf(child, [...path, child.name()])),
  ];
}

function bashScript(program: string, nodes: readonly CommandWords[]): string {
  const pathOf = ({ path }: CommandWords) => `"${path.join(" ")}"`;
  const patterns = (value: OptionWords["value"]) =>
    nodes.flatMap(({ path, options }) =>
      options.filter((option) => option.value === value)
        .flatMap(({ names }) => names.map((name) => `"${path.join(" ")}|${name}"`))
    ).join(" | ");
  const words = nodes.map((node) => {
    const names = node.commands.map((command) => command.name());
    const all = [
      ...names,
      ...node.choices,
      ...node.options.flatMap((each) => each.names),
    ];
    return `    ${pathOf(node)}) words="${all.join(" ")}" ;;`;
  });
  const files = nodes.filter(({ takesFile }) => takesFile).map(pathOf).join(" | ");
  return `# bash completion of ${program}
_${program}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}"
  local path="" next words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
    ${nodes.slice(1).map(pathOf).join(" | ")}) path="$next" ;;
    esac
  done
  case "$path|$prev" in
  ${patterns("file")})
    COMPREPLY=($(compgen -f -- "$cur"))
    return
    ;;
  ${patterns("other")})
    COMPREPLY=()
    return
    ;;
  esac
  case "$path" in
${words.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  case "$path" in
  ${files}) [[ "$cur" == -* ]] || COMPREPLY+=($(compgen -f -- "$cur")) ;;
  esac
}
complete -o filenames -F _${program} ${program}
`;
}

function zshScript(program: string, nodes: readonly CommandWords[]): string {
  // In single quotes; `_arguments` and `_describe` read brackets and colons too.
  const escape = (text: string) =>
    text.replaceAll(/[[\]:\\]/g, (sign) => `\\${sign}`).replaceAll("'", "'\\''");
  const nameOf = (path: readonly string[]) =>
    ["", program, ...path].join("_").replaceAll("-", "_");
  const optionOf = ({ description, names, value }: OptionWords) => {
    const follows = { none: "", file: ":file:_files", other: ":value:" }[value];
    const start = names.length === 1
      ? `'${names[0]}`
      : `'(${names.join(" ")})'{${names.join(",")}}'`;
    return `${start}[${escape(description)}]${follows}'`;
  };
  const leaf = ({ choices, options, path, takesFile }: CommandWords) => {
    const rest = [
      ...options.map(optionOf),
      ...(choices.length > 0 ? [`'1:argument:(${choices.join(" ")})'`] : []),
      ...(takesFile ? ["'1:file:_files'"] : []),
    ];
    return `${nameOf(path)}() {
  _arguments -s ${rest.join(" \\\n    ")}
}
`;
  };
  const branch = ({ commands, options, path }: CommandWords) => {
    const names = commands.map((command) =>
      `    '${escape(command.name())}:${escape(command.description())}'`
    );
    const cases = commands.map((command) =>
      `    ${command.name()}) ${nameOf([...path, command.name()])} ;;`
    );
    const rest = [...options.map(optionOf), "'1: :->command'", "'*:: :->rest'"];
    return `${nameOf(path)}() {
  local curcontext="$curcontext" state line
  local -a commands
  commands=(
${names.join("\n")}
  )
  _arguments -C -s ${rest.join(" \\\n    ")}
  case $state in
  command) _describe command commands ;;
  rest)
    case $line[1] in
${cases.join("\n")}
    esac
    ;;
  esac
}
`;
  };
  const functions = nodes.toReversed().map((node) =>
    node.commands.length > 0 ? branch(node) : leaf(node)
  );
  const main = nameOf([]);
  return `#compdef ${program}
# zsh completion of ${program}
${functions.join("\n")}
# Sourced, it registers itself; from a folder of $fpath, it is the function itself.
if [ "$funcstack[1]" = "${main}" ]; then
  ${main} "$@"
else
  compdef ${main} ${program}
fi
`;
}

function fishScript(program: string, nodes: readonly CommandWords[]): string {
  const quote = (text: string) =>
    `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const flags = ({ names, value }: OptionWords) => [
    ...names.map((name) =>
      name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
    ),
    ...{ none: [], file: ["-r", "-F"], other: ["-x"] }[value],
  ];
  const lines = nodes.flatMap(({ choices, commands, options, path, takesFile }) => {
    // Holds where the words of the command have been typed, and no further command's.
    const names = commands.map((command) => command.name()).join(" ");
    const conditions = [
      ...path.map((word) => `__fish_seen_subcommand_from ${word}`),
      ...(names === "" ? [] : [`not __fish_seen_subcommand_from ${names}`]),
    ];
    const start = `complete -c ${program} -n ${quote(conditions.join("; and "))}`;
    return [
      ...commands.map((command) =>
        `${start} -a ${command.name()} -d ${quote(command.description())}`
      ),
      ...choices.map((choice) => `${start} -a ${choice}`),
      ...(takesFile ? [`${start} -F`] : []),
      ...options.map((option) =>
        `${start} ${flags(option).join(" ")} -d ${quote(option.description)}`
      ),
    ];
  });
  return `# fish completion of ${program}
complete -c ${program} -f
${lines.join("\n")}
`;
}
