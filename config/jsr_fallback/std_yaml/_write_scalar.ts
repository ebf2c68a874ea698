import type { ImplicitType } from "./_schema.ts";

/** Where a scalar is to be written, and how. */
export interface ScalarPlace {
  /** Columns of one level of nesting. */
  indent: number;
  /** How deep the scalar is nested. */
  level: number;
  /** Whether it must be written in one line, as a key or in a flow collection. */
  singleLine: boolean;
  /** The width to fold long lines at; -1 for none. */
  lineWidth: number;
  /** Whether words that YAML 1.1 took for booleans are quoted. */
  compatMode: boolean;
  /** The quotes to prefer. */
  quoteStyle: "'" | '"';
  /** Types that would take a plain scalar for their own. */
  implicitTypes: readonly ImplicitType[];
}

const OLD_BOOLEAN = /^(?:[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$/;

/** Characters that need no escape. */
const PRINTABLE =
  /^[\x20-\x7e\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]*$/u;

const UNSAFE_FIRST = /^[\s\-?&*!|>'"%@`]/;
const UNSAFE_ANYWHERE = /[,[\]{}:#]/;
const LEADING_SPACE = /^\n* /;

const ESCAPES: Record<string, string> = {
  "\0": "\\0",
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1b": "\\e",
  '"': '\\"',
  "\\": "\\\\",
  "\x85": "\\N",
  "\xa0": "\\_",
  "\u2028": "\\L",
  "\u2029": "\\P",
};

function hexEscape(character: string): string {
  const code = character.codePointAt(0)!;
  const digits = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${digits.padStart(2, "0")}`;
  if (code <= 0xffff) return `\\u${digits.padStart(4, "0")}`;
  return `\\U${digits.padStart(8, "0")}`;
}

function doubleQuoted(text: string): string {
  const escaped = Array.from(text, (character) => {
    const known = ESCAPES[character];
    if (known) return known;
    // Above the first plane, two UTF-16 units stand for one character.
    return character.length === 1 && PRINTABLE.test(character)
      ? character
      : hexEscape(character);
  });
  return `"${escaped.join("")}"`;
}

function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Breaks a line at single spaces; one that begins with a space may not be broken. */
function foldLine(line: string, width: number): string {
  if (line.startsWith(" ")) return line;
  const [first = "", ...words] = line.split(/ (?=[^ ])/);
  const lines = [first];
  for (const word of words) {
    const last = lines.at(-1)!;
    if (last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

/**
 * Folds a text. A reader joins lines that one break separates, so that each break of the
 * text needs one more; but not beside lines that begin with a space, and not at the ends.
 */
function fold(text: string, width: number): string {
  const lines = text.split("\n");
  let folded = foldLine(lines[0]!, width);
  let joins = lines[0] !== "" && !lines[0]!.startsWith(" ");
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
    folded += "\n";
    if (line === "") continue;
    const begins = !line.startsWith(" ");
    folded += (joins && begins ? "\n" : "") + foldLine(line, width);
    joins = begins;
  }
  return folded;
}

/** A scalar in a block of its own below its header. */
function block(mark: "|" | ">", text: string, body: string, place: ScalarPlace): string {
  const indicator = LEADING_SPACE.test(text) ? String(place.indent) : "";
  let chomp = "-";
  if (text.endsWith("\n")) chomp = text.endsWith("\n\n") || text === "\n" ? "+" : "";
  const columns = " ".repeat(place.indent * Math.max(1, place.level));
  const indented = body.replace(/^(?=[^\n])/gm, columns).replace(/\n$/, "");
  return `${mark}${indicator}${chomp}\n${indented}`;
}

/** The width that is left for a block scalar: deep ones keep 40 columns at least. */
function widthFor({ lineWidth, indent, level }: ScalarPlace): number {
  if (lineWidth === -1) return Infinity;
  return Math.max(Math.min(lineWidth, 40), lineWidth - indent * Math.max(1, level));
}

function isPlain(text: string, types: readonly ImplicitType[]): boolean {
  return !UNSAFE_FIRST.test(text) && !text.endsWith(" ") && !UNSAFE_ANYWHERE.test(text) &&
    !types.some((type) => type.resolve(text));
}

/** Writes a string so that it is read as the same string. */
export function writeScalar(text: string, place: ScalarPlace): string {
  const { singleLine, compatMode, quoteStyle, implicitTypes, indent } = place;
  if (text === "") return "''";
  if (compatMode && OLD_BOOLEAN.test(text)) return `'${text}'`;
  const lines = singleLine ? [text] : text.split("\n");
  if (!lines.every((line) => PRINTABLE.test(line))) return doubleQuoted(text);
  const width = widthFor(place);
  const foldable = !singleLine &&
    lines.some((line) => line.length > width && !line.startsWith(" "));
  if (lines.length === 1 && !foldable) {
    if (isPlain(text, implicitTypes)) return text;
    return quoteStyle === "'" ? singleQuoted(text) : doubleQuoted(text);
  }
  // The header has room for one digit of indentation only.
  if (indent > 9 && LEADING_SPACE.test(text)) return doubleQuoted(text);
  return foldable
    ? block(">", text, fold(text, width), place)
    : block("|", text, text, place);
}
