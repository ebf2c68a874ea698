import { parse } from "@std/yaml/parse";
import { closingQuote, isLineBreak, type Position } from "./cursor.ts";
import { locateYaml } from "./locate.ts";
import type { EntryPosition, PositionMap } from "./position_map.ts";
import { sameTree, withValues } from "./tree.ts";

/** A text cannot be edited, and why. */
export class YamlEditError extends Error {}

/** Indentation of a mapping that has none yet, in columns. */
const INDENT = 2;
/** What begins a value that is no plain scalar. */
const NO_SCALAR = "*&!|>{[";
const BOM = "\uFEFF";

/**
 * Sets scalars in one mapping of a YAML text. Everything else stays byte for byte:
 * comments, order, quotes, line ends.
 *
 * @param text The text; one document.
 * @param path Keys of the mapping from the root; empty for the root itself.
 * @param values The scalars by key, as they are to stand there.
 * @returns The text with the values.
 * @throws {YamlEditError} If it cannot be done without touching something else, such as
 * what stands behind an alias.
 */
export function editYaml(
  text: string,
  path: readonly string[],
  values: Readonly<Record<string, string>>,
): string {
  const before = parse(text, { schema: "failsafe" });
  let edited = text;
  // One after the other: each moves what stands behind it.
  for (const [key, value] of Object.entries(values)) {
    edited = new Editor(edited).set(path, key, value);
  }
  // The judge: read anew, nothing but these values has changed.
  const after = parse(edited, { schema: "failsafe" });
  if (!sameTree(after, withValues(before, path, values))) {
    throw new YamlEditError("more than the values would change");
  }
  return edited;
}

class Editor {
  readonly #text: string;
  readonly #entries: PositionMap;
  readonly #lineStarts: readonly number[];
  readonly #eol: string;

  constructor(text: string) {
    this.#text = text;
    this.#entries = locateYaml(text).entries;
    const bom = text.startsWith(BOM) ? 1 : 0;
    this.#lineStarts = [
      bom,
      ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1),
    ];
    this.#eol = text.includes("\r\n") ? "\r\n" : "\n";
  }

  set(path: readonly string[], key: string, value: string): string {
    const known = this.#entries.get([...path, key]);
    if (known !== undefined) return this.#replace(path, known, value);
    const mapping = path.length === 0 ? undefined : this.#entries.get(path);
    if (path.length > 0 && mapping === undefined) {
      throw new YamlEditError(`there is no ${path.join(".")}`);
    }
    return this.#insert(path, mapping, `${key}: ${value}`);
  }

  #replace(path: readonly string[], entry: EntryPosition, value: string): string {
    const start = this.#indexOf(entry.value);
    const isEmpty = this.#isSame(entry);
    if (isEmpty) return this.#fill(start, value);
    if (NO_SCALAR.includes(this.#text[start]!)) {
      throw new YamlEditError(`${path.join(".")} holds something else than a scalar`);
    }
    return this.#splice(start, this.#scalarEnd(start, this.#isFlow(path)), value);
  }

  /** Puts a value behind a key that has none. */
  #fill(keyStart: number, value: string): string {
    const lineEnd = this.#lineEnd(keyStart);
    const colon = this.#text.indexOf(":", keyStart);
    if (colon < 0 || colon > lineEnd) throw new YamlEditError("a key has no colon");
    return this.#splice(colon + 1, colon + 1, ` ${value}`);
  }

  #insert(
    path: readonly string[],
    mapping: EntryPosition | undefined,
    entry: string,
  ): string {
    if (this.#isFlow(path)) return this.#insertFlow(mapping, entry);
    const children = this.#entries.childrenOf(path);
    if (mapping !== undefined && !this.#isSame(mapping)) {
      const value = this.#text[this.#indexOf(mapping.value)];
      if (value !== "&" && value !== "!") {
        throw new YamlEditError(`${path.join(".")} is not a mapping of its own`);
      }
    }
    const [first] = children;
    const indent = first === undefined
      ? (mapping === undefined ? 0 : mapping.key.column - 1 + INDENT)
      : first.key.column - 1;
    const line = `${" ".repeat(indent)}${entry}`;
    const at = this.#lineAfter(children, indent) ??
      (mapping === undefined ? this.#lineStarts[0]! : this.#nextLine(mapping.key.line));
    // The last line may have no end.
    const needsBreak = at > 0 && this.#text[at - 1] !== "\n" &&
      this.#text[at - 1] !== BOM;
    return needsBreak
      ? this.#splice(at, at, `${this.#eol}${line}`)
      : this.#splice(at, at, `${line}${this.#eol}`);
  }

  /** The line behind the last entry whose value stands on the same line as its key. */
  #lineAfter(children: readonly EntryPosition[], indent: number): number | undefined {
    const last = children.findLast((child) => {
      if (this.#isSame(child)) return false;
      const next = this.#text.slice(this.#nextLine(child.key.line));
      const deeper = /^( *)[^\s#]/.exec(next)?.[1];
      return deeper === undefined || deeper.length <= indent;
    });
    return last === undefined ? undefined : this.#nextLine(last.key.line);
  }

  #insertFlow(mapping: EntryPosition | undefined, entry: string): string {
    const open = mapping === undefined
      ? this.#text.indexOf("{")
      : this.#indexOf(mapping.value);
    const close = closingBrace(this.#text, open);
    if (close === undefined) throw new YamlEditError("a brace is not closed");
    const inner = this.#text.slice(open + 1, close);
    const end = open + 1 + inner.trimEnd().length;
    const isEmpty = inner.trim() === "" || inner.trimEnd().endsWith(",");
    return this.#splice(end, end, isEmpty ? ` ${entry}` : `, ${entry}`);
  }

  /** Whether a mapping is written in braces. */
  #isFlow(path: readonly string[]): boolean {
    if (path.length === 0) return /^\uFEFF?\s*\{/.test(this.#text);
    const mapping = this.#entries.get(path);
    return mapping !== undefined && this.#text[this.#indexOf(mapping.value)] === "{";
  }

  #scalarEnd(start: number, isFlow: boolean): number {
    const { length } = this.#text;
    if (this.#text[start] === '"' || this.#text[start] === "'") {
      const close = closingQuote(this.#text, start, length);
      if (close === undefined) throw new YamlEditError("a quote is not closed");
      return close + 1;
    }
    let end = start;
    for (; end < length; end++) {
      const char = this.#text[end]!;
      if (isLineBreak(char) || (isFlow && ",[]{}".includes(char))) break;
      if (char === "#" && /\s/.test(this.#text[end - 1] ?? "")) break;
    }
    return start + this.#text.slice(start, end).trimEnd().length;
  }

  /** Whether the value stands where the key does: on later lines, or nowhere. */
  #isSame({ key, value }: EntryPosition): boolean {
    return key.line === value.line && key.column === value.column;
  }

  #indexOf({ line, column }: Position): number {
    return this.#lineStarts[line - 1]! + column - 1;
  }

  #lineEnd(index: number): number {
    const end = this.#text.indexOf("\n", index);
    return end < 0 ? this.#text.length : end;
  }

  #nextLine(line: number): number {
    return this.#lineStarts[line] ?? this.#text.length;
  }

  #splice(start: number, end: number, put: string): string {
    return this.#text.slice(0, start) + put + this.#text.slice(end);
  }
}

/** Where the brace that opens at an index is closed. */
function closingBrace(text: string, open: number): number | undefined {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"' || char === "'") {
      const close = closingQuote(text, at, text.length);
      if (close === undefined) return undefined;
      at = close;
    } else if (char === "#" && /\s/.test(text[at - 1] ?? "")) {
      const end = text.indexOf("\n", at);
      if (end < 0) return undefined;
      at = end;
    } else if (char === "{" || char === "[") depth++;
    else if ((char === "}" || char === "]") && --depth === 0) return at;
  }
  return undefined;
}
