import { type CommandNode, flatten, type OptionNode } from "./tree.ts";

/** Text in single quotes; `_arguments` and `_describe` read brackets and colons too. */
function quote(text: string): string {
  return `'${
    text.replaceAll(/[[\]:\\]/g, (sign) => `\\${sign}`).replaceAll("'", "'\\''")
  }'`;
}

function argumentOf({ names, description, value }: OptionNode): string {
  const text = description.replaceAll(/[[\]:\\]/g, (sign) => `\\${sign}`)
    .replaceAll("'", "'\\''");
  const follows = value === "none" ? "" : value === "file" ? ":file:_files" : ":value:";
  const [first = "", second] = names;
  return second === undefined
    ? `'${first}[${text}]${follows}'`
    : `'(${first} ${second})'{${first},${second}}'[${text}]${follows}'`;
}

function functionName(node: CommandNode, program: string): string {
  return ["", program, ...node.path].join("_").replaceAll("-", "_");
}

function leaf(node: CommandNode, program: string): string {
  const rest = [
    ...node.options.map(argumentOf),
    ...(node.choices.length > 0 ? [`'1:argument:(${node.choices.join(" ")})'`] : []),
    ...(node.takesFile ? ["'1:file:_files'"] : []),
  ];
  return `${functionName(node, program)}() {
  _arguments -s ${rest.join(" \\\n    ")}
}
`;
}

function branch(node: CommandNode, program: string): string {
  const commands = node.commands
    .map(({ name, description }) =>
      `    ${quote(`${name}`)}`.replace(/'$/, "") +
      `:${quote(description).slice(1)}`
    )
    .join("\n");
  const cases = node.commands
    .map((child) => `    ${child.name}) ${functionName(child, program)} ;;`)
    .join("\n");
  return `${functionName(node, program)}() {
  local curcontext="$curcontext" state line
  local -a commands
  commands=(
${commands}
  )
  _arguments -C -s ${
    [...node.options.map(argumentOf), "'1: :->command'", "'*:: :->rest'"]
      .join(" \\\n    ")
  }
  case $state in
  command) _describe command commands ;;
  rest)
    case $line[1] in
${cases}
    esac
    ;;
  esac
}
`;
}

/**
 * A script that completes a program in zsh.
 *
 * @param program The program.
 * @returns The script.
 */
export function zshCompletions(program: CommandNode): string {
  const functions = flatten(program).reverse().map((node) =>
    node.commands.length > 0 ? branch(node, program.name) : leaf(node, program.name)
  );
  const main = functionName(program, program.name);
  return `#compdef ${program.name}
# zsh completion of ${program.name}
${functions.join("\n")}
# Sourced, it registers itself; from a folder of $fpath, it is the function itself.
if [ "$funcstack[1]" = "${main}" ]; then
  ${main} "$@"
else
  compdef ${main} ${program.name}
fi
`;
}
