import {
  closingQuote,
  Cursor,
  isLineBreak,
  isSeparator,
  type Position,
} from "./cursor.ts";
import { locateFlow } from "./locate_flow.ts";
import { MAX_DEPTH, PositionMap } from "./position_map.ts";

/** What {@linkcode locateYaml} found. */
export interface YamlPositions {
  /** Position of each entry. */
  readonly entries: PositionMap;
  /** The first tab that indents a line: YAML forbids it, parsers differ on it. */
  readonly tab?: Position;
  /** Where a second document starts, if one does; it is not looked into. */
  readonly second?: Position;
}

/** A block collection that is open: lines at its indentation are its entries. */
interface Frame {
  readonly kind: "map" | "list";
  readonly indent: number;
  readonly path: readonly string[];
  /** Path of the entry that is being read. */
  child: readonly string[];
  index: number;
}

/**
 * Finds where each entry of a YAML text stands. The parser gives values without
 * positions, this gives positions without values: it follows indentation, quotes,
 * block scalars and flow collections just far enough to do so.
 *
 * It never throws and takes time linear in the text, whatever the text is; what it
 * does not understand (such as keys marked by `?`) has no position of its own, and that
 * of what is around it is used.
 *
 * @param text The text.
 * @returns The positions.
 */
export function locateYaml(text: string): YamlPositions {
  return new Locator(text).run();
}

class Locator {
  readonly #cursor: Cursor;
  readonly #positions = new PositionMap();
  readonly #frames: Frame[] = [];
  #tab: Position | undefined;
  #second: Position | undefined;
  #begun = false;

  constructor(text: string) {
    this.#cursor = new Cursor(text.startsWith("\uFEFF") ? text.slice(1) : text);
  }

  run(): YamlPositions {
    while (!this.#cursor.done && this.#second === undefined) this.#readLine();
    return {
      entries: this.#positions,
      ...(this.#tab === undefined ? {} : { tab: this.#tab }),
      ...(this.#second === undefined ? {} : { second: this.#second }),
    };
  }

  /** One line that starts an entry, with all the lines that its value takes. */
  #readLine(): void {
    const cursor = this.#cursor;
    cursor.skip(" ");
    const indent = cursor.column;
    const tab = cursor.peek() === "\t" ? cursor.position() : undefined;
    cursor.skip(" \t");
    if (cursor.atLineEnd) return cursor.nextLine();
    this.#tab ??= tab;
    if (indent === 0 && cursor.peek() === "%") return cursor.nextLine();
    if (indent === 0 && this.#atDocumentMark()) {
      if (this.#begun) this.#second = cursor.position();
      cursor.at += 3;
      cursor.skip(" \t");
      if (cursor.atLineEnd) return cursor.nextLine();
    }
    this.#begun = true;
    this.#readBlock(indent);
  }

  #atDocumentMark(): boolean {
    const mark = this.#cursor.text.slice(this.#cursor.at, this.#cursor.at + 3);
    return (mark === "---" || mark === "...") && isSeparator(this.#cursor.peek(3));
  }

  /** What stands at a column in block style: list items, an entry, or a scalar. */
  #readBlock(indent: number): void {
    const cursor = this.#cursor;
    let column = indent;
    for (let depth = 0; depth < MAX_DEPTH && this.#atDash(); depth++) {
      const frame = this.#frameAt("list", column);
      frame.child = [...frame.path, String(frame.index++)];
      const dash = cursor.position();
      cursor.at++;
      cursor.skip(" \t");
      this.#positions.set(frame.child, this.#entryHere(dash));
      if (cursor.atLineEnd) return cursor.nextLine();
      column = cursor.column;
    }
    if (this.#atDash()) this.#noteTooDeep();
    cursor.skipProperties();
    const start = cursor.position();
    const key = this.#readKey();
    if (key === undefined) {
      const path = this.#openPath();
      const known = this.#positions.get(path);
      if (known !== undefined) this.#positions.set(path, this.#entryHere(known.key));
      return this.#readValue(path, this.#frames.at(-1)?.indent ?? -1);
    }
    const frame = this.#frameAt("map", column);
    frame.child = [...frame.path, key];
    cursor.skip(" \t");
    cursor.skipProperties();
    this.#positions.add(frame.child, this.#entryHere(start));
    if (cursor.atLineEnd) return cursor.nextLine();
    this.#readValue(frame.child, column);
  }

  /** The entry whose value starts here, or on later lines. */
  #entryHere(key: Position): { key: Position; value: Position; quoted: boolean } {
    const next = this.#cursor.peek();
    return {
      key,
      value: this.#cursor.atLineEnd ? key : this.#cursor.position(),
      quoted: next === '"' || next === "'",
    };
  }

  /** The collection at this column, after closing those that end before it. */
  #frameAt(kind: "map" | "list", column: number): Frame {
    for (let top = this.#frames.at(-1); top !== undefined; top = this.#frames.at(-1)) {
      // A list may stand at the column of the key that it belongs to.
      const ended = top.indent > column ||
        (top.indent === column && top.kind === "list" && kind === "map");
      if (!ended) break;
      this.#frames.pop();
    }
    const top = this.#frames.at(-1);
    if (top !== undefined && top.indent === column && top.kind === kind) return top;
    const path = this.#openPath();
    const frame: Frame = { kind, indent: column, path, child: path, index: 0 };
    if (this.#frames.length < MAX_DEPTH) this.#frames.push(frame);
    else this.#noteTooDeep();
    return frame;
  }

  #noteTooDeep(): void {
    this.#positions.noteTooDeep(this.#openPath(), this.#cursor.position());
  }

  /** Path of the entry whose value the next deeper collection is. */
  #openPath(): readonly string[] {
    return this.#frames.at(-1)?.child ?? [];
  }

  /** A value that starts here, in a collection with this indentation. */
  #readValue(path: readonly string[], indent: number): void {
    const cursor = this.#cursor;
    const first = cursor.peek();
    if (first === "|" || first === ">") {
      cursor.nextLine();
      this.#skipDeeperLines(indent, false);
    } else if (first === '"' || first === "'") {
      cursor.skipQuoted();
      cursor.nextLine();
    } else if (first === "{" || first === "[") {
      locateFlow(cursor, this.#positions, path);
      cursor.nextLine();
    } else {
      const commented = /\s#/.test(cursor.text.slice(cursor.at, cursor.lineEnd));
      cursor.nextLine();
      if (!commented) this.#skipDeeperLines(indent, true);
    }
  }

  /** Skips lines that are blank or deeper than `indent`: the rest of a scalar. */
  #skipDeeperLines(indent: number, plain: boolean): void {
    const cursor = this.#cursor;
    while (!cursor.done) {
      let spaces = 0;
      while (cursor.peek(spaces) === " ") spaces++;
      let content = spaces;
      while (cursor.peek(content) === " " || cursor.peek(content) === "\t") content++;
      const first = cursor.peek(content);
      const blank = first === undefined || isLineBreak(first);
      if (!blank && (spaces <= indent || (plain && first === "#"))) return;
      cursor.nextLine();
    }
  }

  /** A key and its colon; `undefined`, and nothing read, if there is none. */
  #readKey(): string | undefined {
    const cursor = this.#cursor;
    const { text, at: start, lineEnd: end } = cursor;
    const first = text[start];
    if (first === '"' || first === "'") {
      const close = closingQuote(text, start, end);
      if (close === undefined) return undefined;
      let colon = close + 1;
      while (text[colon] === " ") colon++;
      if (text[colon] !== ":" || !isSeparator(text[colon + 1])) return undefined;
      cursor.at = colon + 1;
      return text.slice(start + 1, close);
    }
    if (first === undefined || "{[?|>#".includes(first)) return undefined;
    for (let at = start; at < end; at++) {
      if (text[at] === "#" && isSeparator(text[at - 1])) return undefined;
      if (text[at] === ":" && isSeparator(text[at + 1])) {
        cursor.at = at + 1;
        return text.slice(start, at).trimEnd();
      }
    }
    return undefined;
  }

  #atDash(): boolean {
    return this.#cursor.peek() === "-" && isSeparator(this.#cursor.peek(1));
  }
}
