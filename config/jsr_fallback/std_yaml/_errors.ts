import { YamlSyntaxError } from "./types.ts";

/** Where js-yaml met something, and in what text. */
export interface Mark {
  /** The text, with a null character at its end. */
  buffer: string;
  /** The offset, from 0. */
  position: number;
  /** The line, from 0. */
  line: number;
  /** The column, from 0. */
  column: number;
}

type Rule = [
  pattern: RegExp,
  message: string | ((mark: Mark, match: string[]) => string),
];

/** The arguments of the directive that stands in the line before. */
function directiveArguments({ buffer, position, column }: Mark): string[] {
  const line = buffer.slice(0, position - column).trimEnd().split(/[\r\n]/).at(-1) ?? "";
  return line.replace(/\s#.*/, "").trim().split(/\s+/).slice(1);
}

/** The code of the control character that ended a quoted scalar. */
function controlCharacter({ buffer, position }: Mark): string {
  const line = buffer.slice(0, position).split(/[\r\n]/).at(-1) ?? "";
  // deno-lint-ignore no-control-regex
  return String(/[\x00-\x08\x0b-\x1f]/.exec(line)?.[0].charCodeAt(0));
}

const YAML_DIRECTIVE = "Cannot handle YAML directive: ";
const TAG_DIRECTIVE = "Cannot handle tag directive: ";
const TAG = "Cannot read tag property: ";
const BLOCK = "Cannot read block: ";
const DOCUMENT = "Cannot read document: ";
const PAIR = "Cannot store mapping pair: ";
const QUOTED = "Cannot read double quoted scalar: ";
const FLOW = "Cannot read flow collection: ";

/** std's words for js-yaml's; `$1` is what a pattern's group has found. */
const RULES: readonly Rule[] = [
  [/^duplication of %YAML/, `${YAML_DIRECTIVE}duplication of %YAML directive`],
  [/^YAML directive acc/, `${YAML_DIRECTIVE}YAML directive accepts exactly one argument`],
  [/^ill-formed argument of/, `${YAML_DIRECTIVE}ill-formed argument`],
  [/^unacceptable YAML vers/, `${YAML_DIRECTIVE}unacceptable YAML version`],
  [/^unsupported YAML vers/, `${YAML_DIRECTIVE}unsupported YAML version`],
  [
    /^TAG directive accepts/,
    (mark) =>
      `${TAG_DIRECTIVE}directive accepts exactly two arguments, received ${
        directiveArguments(mark).length
      }`,
  ],
  [
    /^ill-formed tag handle/,
    (mark) =>
      `${TAG_DIRECTIVE}ill-formed handle (first argument) in "${
        directiveArguments(mark)[0]
      }"`,
  ],
  [
    /^there is a previously declared suffix for (".*") tag handle/s,
    `${TAG_DIRECTIVE}previously declared suffix for $1 tag handle`,
  ],
  [/^(ill-formed tag prefix .*)/, `${TAG_DIRECTIVE}$1`],
  [
    /^expected valid JSON/,
    (mark) => `Expected valid JSON character: received "${controlCharacter(mark)}"`,
  ],
  [/^the stream contains/, "Stream contains non-printable characters"],
  [
    /^cannot merge mappings/,
    "Cannot merge mappings: the provided source object is unacceptable",
  ],
  [/^(nested arrays .*)/, `${PAIR}$1`],
  [/^duplicated mapping key/, `${PAIR}duplicated key`],
  [/^a line break is/, "Cannot read line: line break not found"],
  [/^unexpected (.* quoted scalar)/, "Unexpected $1"],
  [/^(expected hexadecimal .*|unknown escape .*)/, `${QUOTED}$1`],
  [/^missed comma/, `${FLOW}missing comma between flow collection entries`],
  [/^(unexpected .* flow collection)/, `${FLOW}$1`],
  [/^repeat of a chomping/, `${BLOCK}chomping mode identifier repeated`],
  [/^bad explicit indent/, `${BLOCK}indentation width must be greater than 0`],
  [/^repeat of an indent/, `${BLOCK}indentation width identifier repeated`],
  [/^(bad indentation of a seq.*)/, "Cannot read block sequence: $1"],
  [
    /^incomplete explicit/,
    "Cannot read block as explicit mapping pair is incomplete: a key node is missed or followed by a non-tabulated empty line",
  ],
  [/^(a whitespace character .*|bad indentation of a mapp.*)/, `${BLOCK}$1`],
  [
    /^can not read an implicit/,
    "Cannot read an implicit mapping pair: missing colon",
  ],
  [
    /^can not read a block mapping entry; (.*)/,
    "Cannot read a block mapping entry: $1",
  ],
  [/^(duplication of a tag property)/, `${TAG}$1`],
  [/^unexpected .* verbatim tag/, `${TAG}unexpected end of stream`],
  [/^named tag handle/, `${TAG}named tag handle contains invalid characters`],
  [/^tag suffix .* exclam/, `${TAG}tag suffix cannot contain an exclamation mark`],
  [/^(tag suffix .* flow indicator .*)/, `${TAG}$1`],
  [
    /^tag name cannot contain such characters: (.*)/s,
    `${TAG}invalid characters in tag name "$1"`,
  ],
  [/^(undeclared tag handle .*)/s, `${TAG}$1`],
  [/^duplication of an anchor/, "Cannot read anchor property: duplicate anchor property"],
  [/^(name of an anchor node .*)/, "Cannot read anchor property: $1"],
  [
    /^name of an alias node/,
    "Cannot read alias: alias name must contain at least one character",
  ],
  [/^(unidentified alias .*)/s, "Cannot read alias: $1"],
  [/^(alias node should .*)/, "Cannot compose node: $1"],
  [
    /^unacceptable node kind for (.*) tag; (.*)/s,
    "Unacceptable node kind for $1 tag: $2",
  ],
  [/^cannot resolve (.*)/s, "Cannot resolve $1"],
  [/^(unknown tag .*)/s, "Cannot resolve $1"],
  [/^directive name/, `${DOCUMENT}directive name length must be greater than zero`],
  [/^(directives end mark .*|end of the stream or .*)/, `${DOCUMENT}$1`],
  [
    /^null byte/,
    `${DOCUMENT}end of the stream or a document separator is expected`,
  ],
];

/** Says in std's words what js-yaml has said in its own; unknown words stay. */
function translate(reason: string, mark: Mark): string {
  for (const [pattern, message] of RULES) {
    const match = pattern.exec(reason);
    if (!match) continue;
    return typeof message === "function"
      ? message(mark, match)
      : message.replace("$1", () => match[1] ?? "").replace("$2", () => match[2] ?? "");
  }
  return reason;
}

/** The most characters of a line that are shown on either side of an error. */
const REACH = 36;
const LINE_END = /[\0\r\n\x85\u2028\u2029]/;

/** The line around an offset, shortened where it is long, and a caret below the offset. */
function snippetAt(buffer: string, offset: number): string | undefined {
  if (buffer === "") return undefined;
  const before = buffer.slice(0, offset).split(LINE_END).at(-1) ?? "";
  const after = buffer.slice(offset).split(LINE_END)[0] ?? "";
  const head = before.length > REACH ? ` ... ${before.slice(-REACH + 4)}` : before;
  const tail = after.length > REACH ? `${after.slice(0, REACH - 4)} ... ` : after;
  return `    ${head}${tail}\n    ${" ".repeat(head.length)}^`;
}

/** An error at an offset whose line has to be counted. */
export function errorAt(
  message: string,
  buffer: string,
  offset: number,
): YamlSyntaxError {
  const lines = buffer.slice(0, offset).split(/\r\n|\r|\n/);
  const column = (lines.at(-1) ?? "").length + 1;
  return new YamlSyntaxError(
    message,
    { line: lines.length, column, offset },
    snippetAt(buffer, offset),
  );
}

/** std's error for js-yaml's. */
export function toSyntaxError(reason: string, mark: Mark): YamlSyntaxError {
  const message = translate(reason, mark);
  const { buffer, position, line, column } = mark;
  // js-yaml counts no lines before it looks for null characters.
  if (reason.startsWith("null byte")) return errorAt(message, buffer, position);
  return new YamlSyntaxError(
    message,
    { line: line + 1, column: column + 1, offset: position },
    snippetAt(buffer, position),
  );
}
