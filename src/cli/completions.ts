/**
 * Scripts that complete commands and options in a shell, made from the commands themselves:
 * a function that lists what may follow the words so far, and one that the shell calls.
 *
 * @module
 */
import type { Command } from "commander";

/** What may follow a command, or one of its options. */
interface Completion {
  /** The words that lead to it, each after a space. */
  readonly after: string;
  /** The words that may follow, with their descriptions. */
  readonly words: readonly (readonly [word: string, description: string])[];
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
  const completions = completionsOf(program, "");
  const name = program.name();
  if (shell === "fish") return fishScript(name, completions);
  const functions = shellFunctions(name, completions);
  return shell === "bash" ? bashScript(name, functions) : zshScript(name, functions);
}

/** A command, its options that have a value, and all commands below it. */
function completionsOf(command: Command, after: string): Completion[] {
  const { commands, registeredArguments } = command;
  const options = command.createHelp().visibleOptions(command).flatMap((option) =>
    [option.short, option.long].filter((name) => name !== undefined)
      .map((name) => ({ ...option, name }))
  );
  const choices = registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const words = [
    ...commands.map((child) => [child.name(), child.description()] as const),
    ...choices.map((choice) => [choice, ""] as const),
    ...options.map(({ description, name }) => [name, description] as const),
  ];
  const takesFile = registeredArguments.some((argument) =>
    ["file", "folder"].includes(argument.name())
  );
  const values = options.filter(({ optional, required }) => required || optional)
    .map(({ flags, name }) => ({
      after: `${after} ${name}`,
      words: [],
      takesFile: flags.includes("file"),
    }));
  const below = commands.flatMap((child) =>
    completionsOf(child, `${after} ${child.name()}`)
  );
  return [{ after, words, takesFile }, ...values, ...below];
}

/** What bash and zsh have in common; a description stands behind a colon. */
function shellFunctions(program: string, completions: readonly Completion[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const cases = completions.map(({ after, words }) => {
    const list = words.map((word) => quote(word.join(":"))).join(" ");
    return `  ${quote(after)}) ${list && `printf '%s\\n' ${list} `};;`;
  });
  const files = completions.filter(({ takesFile }) => takesFile)
    .map(({ after }) => quote(after)).join(" | ");
  return `_${program}_words() {
  case "$1" in
${cases.join("\n")}
  *) return 1 ;;
  esac
}
_${program}_files() {
  case "$1" in
  ${files}) ;;
  *) return 1 ;;
  esac
}
_${program}_after() {
  local before="" after="" word
  for word in "$@"; do
    after="$before $word"
    _${program}_words "$after" > /dev/null || after="$before"
    [[ "$word" == -* ]] || before="$after"
  done
  printf '%s' "$after"
}`;
}

function bashScript(program: string, functions: string): string {
  return `# bash completion of ${program}
${functions}
_${program}() {
  local IFS=$'\\n' cur="\${COMP_WORDS[COMP_CWORD]}" after words
  after="$(_${program}_after "\${COMP_WORDS[@]:1:COMP_CWORD-1}")"
  words=($(_${program}_words "$after"))
  COMPREPLY=($(compgen -W "\${words[*]%%:*}" -- "$cur"))
  if _${program}_files "$after"; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _${program} ${program}
`;
}

function zshScript(program: string, functions: string): string {
  return `#compdef ${program}
# zsh completion of ${program}
${functions}
_${program}() {
  local after="$(_${program}_after "\${words[@]:1:$((CURRENT - 2))}")"
  local -a found=(\${(f)"$(_${program}_words "$after")"})
  if _${program}_files "$after"; then _files; fi
  if (( $#found > 0 )); then _describe ${program} found; fi
}
# Sourced, it registers itself; from a folder of $fpath, it is the function itself.
if [ "$funcstack[1]" = "_${program}" ]; then
  _${program} "$@"
else
  compdef _${program} ${program}
fi
`;
}

function fishScript(program: string, completions: readonly Completion[]): string {
  const quote = (text: string) =>
    `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const cases = completions.map(({ after, words }) => {
    const list = words.map((word) => quote(word.join("\t"))).join(" ");
    return `    case ${quote(after)}\n      ${list ? `printf '%s\\n' ${list}` : "true"}`;
  });
  const files = completions.filter(({ takesFile }) => takesFile)
    .map(({ after }) => quote(after)).join(" ");
  return `# fish completion of ${program}
function __${program}_words
  switch "$argv[1]"
${cases.join("\n")}
    case '*'
      return 1
  end
end
function __${program}_complete
  set -l before ''
  set -l after ''
  for word in (commandline -opc)[2..-1]
    set after "$before $word"
    __${program}_words $after >/dev/null; or set after $before
    string match -q -- '-*' $word; or set before $after
  end
  __${program}_words $after
  contains -- $after ${files}; and __fish_complete_path (commandline -ct)
end
complete -c ${program} -f -a '(__${program}_complete)'
`;
}
