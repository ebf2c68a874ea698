import { type CommandNode, flatten, wordsAfter } from "./tree.ts";

/** A pattern of `case` for an option behind the words that lead to its command. */
function optionPatterns(nodes: readonly CommandNode[], value: "file" | "other"): string {
  return nodes.flatMap(({ path, options }) =>
    options.filter((option) => option.value === value).flatMap(({ names }) =>
      names.map((name) => `"${path.join(" ")}|${name}"`)
    )
  ).join(" | ");
}

/**
 * A script that completes a program in bash, 3.2 and later.
 *
 * @param program The program.
 * @returns The script.
 */
export function bashCompletions(program: CommandNode): string {
  const nodes = flatten(program);
  const paths = nodes.slice(1).map(({ path }) => `"${path.join(" ")}"`).join(" | ");
  const words = nodes.map((node) =>
    `    "${node.path.join(" ")}") words="${wordsAfter(node).join(" ")}" ;;`
  ).join("\n");
  const files = nodes.filter(({ takesFile }) => takesFile)
    .map(({ path }) => `"${path.join(" ")}"`).join(" | ");
  const name = `_${program.name}`;
  return `# bash completion of ${program.name}
${name}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}"
  local path="" next words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
    ${paths}) path="$next" ;;
    esac
  done
  case "$path|$prev" in
  ${optionPatterns(nodes, "file")})
    COMPREPLY=($(compgen -f -- "$cur"))
    return
    ;;
  ${optionPatterns(nodes, "other")})
    COMPREPLY=()
    return
    ;;
  esac
  case "$path" in
${words}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  case "$path" in
  ${files}) [[ "$cur" == -* ]] || COMPREPLY+=($(compgen -f -- "$cur")) ;;
  esac
}
complete -o filenames -F ${name} ${program.name}
`;
}
