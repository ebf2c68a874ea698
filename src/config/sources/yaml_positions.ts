/** A place in a text. */
export interface Position {
  /** Line, from 1. */
  readonly line: number;
  /** Column, from 1. */
  readonly column: number;
}

/** Where one entry of a YAML mapping or list is: indexes into the text. */
export interface YamlEntry {
  readonly key: number;
  /** Its value; if it has none, or a block on later lines, its key. */
  readonly value: number;
  /** The end of a value on the line of its key, or of one in quotes or brackets. */
  end: number;
  /** Whether the value is in quotes, so that `'null'` is a text. */
  readonly quoted: boolean;
}

/** A place and the path of the entry there. */
interface Place {
  readonly path: readonly string[];
  readonly at: number;
}

/** Deepest nesting whose positions are kept; no setting is deeper than 5. */
export const MAX_DEPTH = 32;

/** Where the entries of a YAML text are, by their path of keys and list indexes. */
export class YamlPositions {
  /** The first tab that indents a line: YAML forbids it, parsers differ on it. */
  tab?: number;
  /** Where a second document starts; it is not looked into. */
  second?: number;
  /** The first place that is nested deeper than positions are kept. */
  tooDeep?: Place;
  /** The first key that its mapping has already. */
  duplicate?: Place;
  /** The whole document, if it is a flow mapping. */
  root?: YamlEntry;
  readonly #entries = new Map<string, YamlEntry>();
  readonly #lineStarts: number[];

  /** Expects the text and the length of the byte order mark before it. */
  constructor(text: string, start: number) {
    this.#lineStarts = [start, ...Array.from(text.matchAll(/\n/g), (m) => m.index + 1)];
  }

  /** Line and column of an index. */
  position(at: number): Position {
    let [low, high] = [0, this.#lineStarts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#lineStarts[middle]! <= at) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: at - this.#lineStarts[low]! + 1 };
  }

  get(path: readonly string[]): YamlEntry | undefined {
    return this.#entries.get(path.join("\0"));
  }

  /** The position of an entry, or of the nearest entry around it. */
  find(path: readonly string[], part: "key" | "value" = "key"): Position | undefined {
    const found = this.#nearest(path);
    return found && this.position(found[part]);
  }

  /** Whether the value of an entry is in quotes. */
  isQuoted(path: readonly string[]): boolean {
    return this.#nearest(path)?.quoted === true;
  }

  #nearest(path: readonly string[]): YamlEntry | undefined {
    for (let length = path.length; length > 0; length--) {
      const found = this.get(path.slice(0, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  set(path: readonly string[], entry: YamlEntry): YamlEntry {
    if (path.length <= MAX_DEPTH) this.#entries.set(path.join("\0"), entry);
    return entry;
  }

  /** The entries of a mapping or list, in their order. */
  childrenOf(path: readonly string[]): YamlEntry[] {
    const prefix = path.map((key) => `${key}\0`).join("");
    return [...this.#entries].filter(([key]) =>
      key.startsWith(prefix) && !key.slice(prefix.length).includes("\0")
    ).map(([, entry]) => entry);
  }

  /** The path of the last entry that starts at or before the end of a line. */
  pathAt(line: number): readonly string[] {
    const end = this.#lineStarts[line] ?? Infinity;
    let last: Place = { path: [], at: 0 };
    for (const [path, { key }] of this.#entries) {
      if (key < end && key >= last.at) last = { path: path.split("\0"), at: key };
    }
    return last.path;
  }
}

/**
 * Finds where each entry of a YAML text is. The parser gives values without positions,
 * this gives positions without values: it follows indentation, quotes, block scalars and
 * flow collections just far enough to do so.
 *
 * It never throws and takes time linear in the text, whatever the text is; what it does
 * not understand (such as keys marked by `?`) has no position of its own.
 */
export function locateYaml(text: string): YamlPositions {
  return new Locator(text).run();
}

/** A block collection that is open. */
interface Frame {
  readonly kind: "map" | "list";
  readonly path: readonly string[];
  /** Column of its entries, from 0. */
  readonly indent: number;
  /** Path of the entry that is being read. */
  child: readonly string[];
  /** How many items a list has so far. */
  items: number;
}

const BLANKS = /[ \t]*/y;
const ANCHORS_AND_TAGS = /(?:[&!][^ \t\r\n]*[ \t]*)*/y;
/** A quoted scalar; to the end of the text if it is not closed. */
const QUOTED = /"(?:\\[^]|[^"\\])*"?|'(?:''|[^'])*'?/y;
const QUOTED_KEY = /("(?:\\.|[^"\\\n])*"|'(?:''|[^'\n])*') *:(?=[ \t\r\n]|$)/y;
const PLAIN_KEY =
  /(?![{[?|>#"'])((?:[^\n:#]|:(?![ \t\r\n]|$)|(?<![ \t\r\n])#)*):(?=[ \t\r\n]|$)/y;
const DASH = /-(?=[ \t\r\n]|$)/y;
const DOCUMENT_MARK = /(?:---|\.\.\.)(?=[ \t\r\n]|$)/y;
/** What stands between the tokens of a flow collection. */
const FLOW_GAP = /(?:[ \t\r\n]+|#[^\n]*|[&!][^ \t\r\n]*)*/y;
/** At least one character, or a stray one would be read for ever. */
const FLOW_SCALAR = /[^](?:[^,[\]{}\r\n:#]|:(?![ \t\r\n,[\]{}]|$)|(?<![ \t\r\n])#)*/y;
/** What a plain scalar in block style has on its first line. */
const REST_OF_LINE = /(?:[^\r\n \t]|[ \t]+(?![ \t\r\n#]|$))*/y;

class Locator {
  readonly #text: string;
  readonly #found: YamlPositions;
  /** The open block collections; the lines at their column are their entries. */
  readonly #frames: Frame[] = [];
  #at: number;
  #lineStart: number;
  #begun = false;

  constructor(text: string) {
    this.#text = text;
    this.#at = this.#lineStart = text.startsWith("\uFEFF") ? 1 : 0;
    this.#found = new YamlPositions(text, this.#at);
  }

  run(): YamlPositions {
    while (!this.#isDone && this.#found.second === undefined) this.#readLine();
    return this.#found;
  }

  get #isDone(): boolean {
    return this.#at >= this.#text.length;
  }

  get #char(): string {
    return this.#text[this.#at] ?? "";
  }

  get #isAtQuote(): boolean {
    return this.#char === '"' || this.#char === "'";
  }

  get #isAtFlow(): boolean {
    return this.#char === "{" || this.#char === "[";
  }

  /** Whether nothing but a comment is left on the line. */
  get #isAtLineEnd(): boolean {
    return "#\r\n".includes(this.#char);
  }

  /** Reads what a sticky pattern matches. */
  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #nextLine(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = this.#lineStart = end < 0 ? this.#text.length : end + 1;
  }

  /** Ends here, where the text is nested too deeply. */
  #giveUp(path: readonly string[], at = this.#at): void {
    this.#found.tooDeep = { path, at };
    this.#at = this.#text.length;
  }

  /** Reads a line that starts an entry, with all lines of its value. */
  #readLine(): void {
    this.#match(/ */y);
    const indent = this.#at - this.#lineStart;
    const tab = this.#char === "\t" ? this.#at : undefined;
    this.#match(BLANKS);
    if (this.#isAtLineEnd) return this.#nextLine();
    this.#found.tab ??= tab;
    if (indent === 0 && this.#char === "%") return this.#nextLine();
    const start = this.#at;
    if (indent === 0 && this.#match(DOCUMENT_MARK)) {
      if (this.#begun) this.#found.second = start;
      this.#match(BLANKS);
      if (this.#isAtLineEnd) return this.#nextLine();
    }
    this.#begun = true;
    this.#readBlock(indent);
  }

  /** Reads list items, an entry, or a scalar in block style. */
  #readBlock(indent: number): void {
    let column = indent;
    for (let depth = 0;; depth++) {
      const dash = this.#at;
      if (!this.#match(DASH)) break;
      if (depth === MAX_DEPTH) return this.#giveUp(this.#openPath, dash);
      const frame = this.#frameAt("list", column);
      frame.child = [...frame.path, String(frame.items++)];
      this.#match(BLANKS);
      this.#found.set(frame.child, this.#entryHere(dash));
      if (this.#isAtLineEnd) return this.#nextLine();
      column = this.#at - this.#lineStart;
    }
    this.#match(ANCHORS_AND_TAGS);
    const start = this.#at;
    const key = this.#readKey();
    if (key === undefined) {
      const path = this.#openPath;
      const known = this.#found.get(path);
      const entry = this.#entryHere(known?.key ?? start);
      if (known !== undefined) this.#found.set(path, entry);
      else if (this.#char === "{") this.#found.root ??= entry;
      return this.#readValue(path, entry, this.#frames.at(-1)?.indent ?? -1);
    }
    const frame = this.#frameAt("map", column);
    frame.child = [...frame.path, key];
    this.#match(BLANKS);
    this.#match(ANCHORS_AND_TAGS);
    const entry = this.#addKey(frame.child, this.#entryHere(start));
    if (this.#isAtLineEnd) return this.#nextLine();
    this.#readValue(frame.child, entry, column);
  }

  /** The entry whose value starts here, or on later lines. */
  #entryHere(key: number): YamlEntry {
    const value = this.#isAtLineEnd ? key : this.#at;
    return { key, value, end: value, quoted: this.#isAtQuote };
  }

  #addKey(path: readonly string[], entry: YamlEntry): YamlEntry {
    if (this.#found.get(path)) this.#found.duplicate ??= { path, at: entry.key };
    return this.#found.set(path, entry);
  }

  /** The block collection at a column; those that end before it are closed. */
  #frameAt(kind: Frame["kind"], indent: number): Frame {
    // A list may be at the column of the key that it belongs to.
    const isEnded = (top: Frame) =>
      top.indent > indent ||
      (top.indent === indent && top.kind === "list" && kind === "map");
    while (this.#frames.length > 0 && isEnded(this.#frames.at(-1)!)) this.#frames.pop();
    const top = this.#frames.at(-1);
    if (top?.indent === indent && top.kind === kind) return top;
    const path = this.#openPath;
    const frame: Frame = { kind, path, indent, child: path, items: 0 };
    if (this.#frames.length < MAX_DEPTH) this.#frames.push(frame);
    else this.#giveUp(path);
    return frame;
  }

  /** Path of the entry whose value the next deeper collection is. */
  get #openPath(): readonly string[] {
    return this.#frames.at(-1)?.child ?? [];
  }

  /** Reads the value that starts here, in a collection with this indentation. */
  #readValue(path: readonly string[], entry: YamlEntry, indent: number): void {
    const isPlain = this.#char !== "|" && this.#char !== ">";
    const isFlow = this.#isAtFlow;
    if (isFlow) this.#readFlow(path, entry, 1);
    const isClosed = isFlow || this.#match(QUOTED) !== null;
    if (!isClosed && isPlain) this.#match(REST_OF_LINE);
    entry.end = this.#at;
    // A comment ends a plain scalar.
    this.#match(BLANKS);
    const isEnded = isClosed || (isPlain && this.#char === "#");
    this.#nextLine();
    if (!isEnded) this.#skipDeeperLines(indent, isPlain);
  }

  /** Skips lines that are blank or deeper than `indent`: the rest of a scalar. */
  #skipDeeperLines(indent: number, isPlain: boolean): void {
    while (!this.#isDone) {
      const [, spaces, first] = this.#match(/( *)[ \t]*([^\r\n]?)/y)!;
      const isBlank = first === "";
      if (!isBlank && (spaces!.length <= indent || (isPlain && first === "#"))) {
        this.#at = this.#lineStart;
        return;
      }
      this.#nextLine();
    }
  }

  /** Reads a key and its colon; nothing is read if there is none. */
  #readKey(): string | undefined {
    const quoted = this.#match(QUOTED_KEY)?.[1];
    return quoted?.slice(1, -1) ?? this.#match(PLAIN_KEY)?.[1]?.trimEnd();
  }

  /** Reads a flow collection, `{…}` or `[…]`, over as many lines as it takes. */
  #readFlow(path: readonly string[], entry: YamlEntry, depth: number): void {
    if (depth > MAX_DEPTH) return this.#giveUp(path);
    const isMap = this.#char === "{";
    let child = path;
    let items = 0;
    let isKeyNext = isMap;
    this.#at++;
    while (true) {
      this.#match(FLOW_GAP);
      const start = this.#at;
      if (this.#isDone || this.#match(/[}\]]/y)) break;
      if (this.#match(/,/y)) {
        items++;
        isKeyNext = isMap;
      } else if (this.#match(/:/y)) isKeyNext = false;
      else if (isKeyNext && !this.#isAtFlow) {
        child = [...path, this.#readFlowScalar()];
        this.#addKey(child, { key: start, value: start, end: start, quoted: false });
        isKeyNext = false;
      } else {
        if (!isMap) child = [...path, String(items)];
        const key = isMap ? this.#found.get(child)?.key ?? start : start;
        const value = this.#found.set(child, this.#entryHere(key));
        if (this.#isAtFlow) this.#readFlow(child, value, depth + 1);
        else {
          const { length } = this.#readFlowScalar();
          value.end = value.quoted ? this.#at : start + length;
        }
      }
    }
    entry.end = this.#at;
  }

  #readFlowScalar(): string {
    const quoted = this.#match(QUOTED)?.[0];
    return quoted?.slice(1, -1) ?? this.#match(FLOW_SCALAR)![0].trim();
  }
}
