/** A place in a text. */
export interface Position {
  /** Line, from 1. */
  readonly line: number;
  /** Column, from 1. */
  readonly column: number;
}

/** Where one entry of a YAML mapping or list is. */
export interface EntryPosition {
  readonly key: Position;
  /** Its value; if the value is a block on later lines, its key. */
  readonly value: Position;
  /** Whether the value is in quotes, so that `'null'` is a text. */
  readonly quoted: boolean;
}

/** A path of keys and list indexes, and where it is. */
interface PathPosition {
  readonly path: readonly string[];
  readonly position: Position;
}

/** Deepest nesting whose positions are kept; no setting is deeper than 5. */
export const MAX_DEPTH = 32;

/** Where the entries of a YAML text are, by their path of keys and list indexes. */
export class YamlPositions {
  /** The first tab that indents a line: YAML forbids it, parsers differ on it. */
  tab?: Position;
  /** Where a second document starts; it is not looked into. */
  second?: Position;
  /** The first place that is nested deeper than positions are kept. */
  tooDeep?: PathPosition;
  /** The first key that its mapping has already. */
  duplicate?: PathPosition;
  readonly #entries = new Map<string, EntryPosition>();

  get(path: readonly string[]): EntryPosition | undefined {
    return this.#entries.get(path.join("\0"));
  }

  /** The position of an entry, or of the nearest entry around it. */
  find(path: readonly string[]): EntryPosition | undefined {
    for (let length = path.length; length > 0; length--) {
      const found = this.get(path.slice(0, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  set(path: readonly string[], entry: EntryPosition): void {
    if (path.length <= MAX_DEPTH) this.#entries.set(path.join("\0"), entry);
  }

  /** The entries of a mapping or list, in their order. */
  childrenOf(path: readonly string[]): EntryPosition[] {
    const prefix = path.map((key) => `${key}\0`).join("");
    return [...this.#entries].filter(([key]) =>
      key.startsWith(prefix) && !key.slice(prefix.length).includes("\0")
    ).map(([, entry]) => entry);
  }

  /** The path of the last entry that starts at or before a line. */
  pathAt(line: number): readonly string[] | undefined {
    let best: string | undefined;
    let bestLine = 0;
    for (const [path, { key }] of this.#entries) {
      if (key.line > line || key.line < bestLine) continue;
      best = path;
      bestLine = key.line;
    }
    return best?.split("\0");
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
  return new Locator(text.replace(/^\uFEFF/, "")).run();
}

/** A collection that is open. */
interface Frame {
  readonly kind: "map" | "list";
  readonly path: readonly string[];
  /** Column of its entries, from 0; unused in flow style. */
  readonly indent: number;
  /** Path of the entry that is being read. */
  child: readonly string[];
  index: number;
  /** In a flow mapping: whether the next scalar is a key. */
  atKey: boolean;
}

function newFrame(kind: Frame["kind"], path: readonly string[], indent = 0): Frame {
  return { kind, path, indent, child: path, index: 0, atKey: kind === "map" };
}

const isBreak = (char?: string): boolean => char === "\n" || char === "\r";
const isQuote = (char?: string): boolean => char === '"' || char === "'";
/** Whether a character ends a word: white space, or the end of the text. */
const isSeparator = (char?: string): boolean =>
  char === undefined || char === " " || char === "\t" || isBreak(char);
/** Whether a character ends a plain scalar inside a flow collection. */
const isIndicator = (char?: string): boolean =>
  char !== undefined && ",[]{}".includes(char);

/** Where a quoted scalar that starts at `start` closes before `end`, if it does. */
export function closingQuote(
  text: string,
  start: number,
  end: number = text.length,
): number | undefined {
  const quote = text[start];
  for (let at = start + 1; at < end; at++) {
    if (quote === '"' && text[at] === "\\") at++;
    else if (text[at] === quote) {
      if (quote === "'" && text[at + 1] === "'") at++;
      else return at;
    }
  }
  return undefined;
}

class Locator {
  readonly #text: string;
  readonly #found = new YamlPositions();
  /** The open block collections; the lines at their column are their entries. */
  readonly #frames: Frame[] = [];
  #at = 0;
  #line = 1;
  #lineStart = 0;
  #begun = false;

  constructor(text: string) {
    this.#text = text;
  }

  run(): YamlPositions {
    while (!this.#isDone && this.#found.second === undefined) this.#readLine();
    return this.#found;
  }

  get #isDone(): boolean {
    return this.#at >= this.#text.length;
  }

  get #column(): number {
    return this.#at - this.#lineStart;
  }

  get #lineEnd(): number {
    const end = this.#text.indexOf("\n", this.#at);
    return end < 0 ? this.#text.length : end;
  }

  /** Whether nothing but a comment is left on the line. */
  get #isAtLineEnd(): boolean {
    const char = this.#peek();
    return char === undefined || char === "#" || isBreak(char);
  }

  #position(): Position {
    return { line: this.#line, column: this.#column + 1 };
  }

  #peek(offset = 0): string | undefined {
    return this.#text[this.#at + offset];
  }

  #skip(chars: string): void {
    while (!this.#isDone && chars.includes(this.#peek()!)) this.#at++;
  }

  #nextLine(): void {
    this.#at = Math.min(this.#lineEnd + 1, this.#text.length);
    this.#line++;
    this.#lineStart = this.#at;
  }

  /** Skips a quoted scalar, over several lines; to the end of the text if unclosed. */
  #skipQuoted(): void {
    const close = closingQuote(this.#text, this.#at) ?? this.#text.length - 1;
    for (; this.#at <= close; this.#at++) {
      if (this.#peek() !== "\n") continue;
      this.#line++;
      this.#lineStart = this.#at + 1;
    }
  }

  /** Skips anchors and tags. */
  #skipProperties(): void {
    while (this.#peek() === "&" || this.#peek() === "!") {
      while (!isSeparator(this.#peek())) this.#at++;
      this.#skip(" \t");
    }
  }

  /** Reads a line that starts an entry, with all lines of its value. */
  #readLine(): void {
    this.#skip(" ");
    const indent = this.#column;
    const tab = this.#peek() === "\t" ? this.#position() : undefined;
    this.#skip(" \t");
    if (this.#isAtLineEnd) return this.#nextLine();
    this.#found.tab ??= tab;
    if (indent === 0 && this.#peek() === "%") return this.#nextLine();
    const mark = this.#text.slice(this.#at, this.#at + 3);
    if (indent === 0 && /^(---|\.\.\.)$/.test(mark) && isSeparator(this.#peek(3))) {
      if (this.#begun) this.#found.second = this.#position();
      this.#at += 3;
      this.#skip(" \t");
      if (this.#isAtLineEnd) return this.#nextLine();
    }
    this.#begun = true;
    this.#readBlock(indent);
  }

  /** Reads list items, an entry, or a scalar in block style. */
  #readBlock(indent: number): void {
    let column = indent;
    for (let depth = 0; this.#isAtDash(); depth++) {
      if (depth === MAX_DEPTH) {
        this.#noteTooDeep(this.#openPath());
        break;
      }
      const frame = this.#frameAt("list", column);
      frame.child = [...frame.path, String(frame.index++)];
      const dash = this.#position();
      this.#at++;
      this.#skip(" \t");
      this.#found.set(frame.child, this.#entryHere(dash));
      if (this.#isAtLineEnd) return this.#nextLine();
      column = this.#column;
    }
    this.#skipProperties();
    const start = this.#position();
    const key = this.#readKey();
    if (key === undefined) {
      const path = this.#openPath();
      const known = this.#found.get(path);
      if (known !== undefined) this.#found.set(path, this.#entryHere(known.key));
      return this.#readValue(path, this.#frames.at(-1)?.indent ?? -1);
    }
    const frame = this.#frameAt("map", column);
    frame.child = [...frame.path, key];
    this.#skip(" \t");
    this.#skipProperties();
    this.#addKey(frame.child, this.#entryHere(start));
    if (this.#isAtLineEnd) return this.#nextLine();
    this.#readValue(frame.child, column);
  }

  /** The entry whose value starts here, or on later lines. */
  #entryHere(key: Position): EntryPosition {
    const value = this.#isAtLineEnd ? key : this.#position();
    return { key, value, quoted: isQuote(this.#peek()) };
  }

  #addKey(path: readonly string[], entry: EntryPosition): void {
    if (this.#found.get(path) !== undefined) {
      this.#found.duplicate ??= { path, position: entry.key };
    }
    this.#found.set(path, entry);
  }

  #noteTooDeep(path: readonly string[]): void {
    this.#found.tooDeep ??= { path, position: this.#position() };
  }

  /** The block collection at a column; those that end before it are closed. */
  #frameAt(kind: Frame["kind"], column: number): Frame {
    for (let top = this.#frames.at(-1); top !== undefined; top = this.#frames.at(-1)) {
      // A list may be at the column of the key that it belongs to.
      const isEnded = top.indent > column ||
        (top.indent === column && top.kind === "list" && kind === "map");
      if (!isEnded) break;
      this.#frames.pop();
    }
    const top = this.#frames.at(-1);
    if (top?.indent === column && top.kind === kind) return top;
    const frame = newFrame(kind, this.#openPath(), column);
    if (this.#frames.length < MAX_DEPTH) this.#frames.push(frame);
    else this.#noteTooDeep(frame.path);
    return frame;
  }

  /** Path of the entry whose value the next deeper collection is. */
  #openPath(): readonly string[] {
    return this.#frames.at(-1)?.child ?? [];
  }

  /** Reads the value that starts here, in a collection with this indentation. */
  #readValue(path: readonly string[], indent: number): void {
    const first = this.#peek();
    if (isQuote(first) || first === "{" || first === "[") {
      if (isQuote(first)) this.#skipQuoted();
      else this.#readFlow(path);
      return this.#nextLine();
    }
    const isPlain = first !== "|" && first !== ">";
    // A comment ends a plain scalar.
    const ends = isPlain && /\s#/.test(this.#text.slice(this.#at, this.#lineEnd));
    this.#nextLine();
    if (!ends) this.#skipDeeperLines(indent, isPlain);
  }

  /** Skips lines that are blank or deeper than `indent`: the rest of a scalar. */
  #skipDeeperLines(indent: number, isPlain: boolean): void {
    while (!this.#isDone) {
      let spaces = 0;
      while (this.#peek(spaces) === " ") spaces++;
      let content = spaces;
      while (this.#peek(content) === " " || this.#peek(content) === "\t") content++;
      const first = this.#peek(content);
      const isBlank = first === undefined || isBreak(first);
      if (!isBlank && (spaces <= indent || (isPlain && first === "#"))) return;
      this.#nextLine();
    }
  }

  /** Reads a key and its colon; nothing is read if there is none. */
  #readKey(): string | undefined {
    const [text, start, end] = [this.#text, this.#at, this.#lineEnd];
    if (isQuote(text[start])) {
      const close = closingQuote(text, start, end);
      if (close === undefined) return undefined;
      let colon = close + 1;
      while (text[colon] === " ") colon++;
      if (text[colon] !== ":" || !isSeparator(text[colon + 1])) return undefined;
      this.#at = colon + 1;
      return text.slice(start + 1, close);
    }
    if (text[start] === undefined || "{[?|>#".includes(text[start])) return undefined;
    for (let at = start; at < end; at++) {
      if (text[at] === "#" && isSeparator(text[at - 1])) return undefined;
      if (text[at] === ":" && isSeparator(text[at + 1])) {
        this.#at = at + 1;
        return text.slice(start, at).trimEnd();
      }
    }
    return undefined;
  }

  #isAtDash(): boolean {
    return this.#peek() === "-" && isSeparator(this.#peek(1));
  }

  /** Reads a flow collection, `{…}` or `[…]`, over as many lines as it takes. */
  #readFlow(path: readonly string[]): void {
    const frames: Frame[] = [];
    let depth = 0;
    while (!this.#isDone) {
      const char = this.#peek()!;
      if (isBreak(char)) this.#nextLine();
      else if (char === " " || char === "\t") this.#at++;
      else if (char === "#") this.#at = this.#lineEnd;
      else if (char === "{" || char === "[") {
        depth++;
        const top = frames.at(-1);
        const child = top === undefined ? path : this.#noteFlowValue(top);
        // Beyond the depth that is kept, the contents count as the last kept one's.
        if (frames.length < MAX_DEPTH) {
          frames.push(newFrame(char === "{" ? "map" : "list", child));
        } else this.#noteTooDeep(child);
        this.#at++;
      } else if (char === "}" || char === "]") {
        this.#at++;
        depth--;
        if (depth <= 0) return;
        if (depth < frames.length) frames.length = depth;
      } else this.#readFlowToken(frames.at(-1)!, char);
    }
  }

  #readFlowToken(frame: Frame, char: string): void {
    if (char === ",") {
      this.#at++;
      frame.index++;
      frame.atKey = frame.kind === "map";
    } else if (char === ":") {
      this.#at++;
      frame.atKey = false;
    } else if (char === "&" || char === "!") {
      this.#skipProperties();
    } else if (frame.atKey) {
      const start = this.#position();
      frame.child = [...frame.path, this.#readFlowScalar()];
      this.#addKey(frame.child, { key: start, value: start, quoted: false });
      frame.atKey = false;
    } else {
      this.#noteFlowValue(frame);
      this.#readFlowScalar();
    }
  }

  /** Notes where the value that starts here is, and gives its path. */
  #noteFlowValue(frame: Frame): readonly string[] {
    const value = this.#position();
    if (frame.kind === "list") frame.child = [...frame.path, String(frame.index)];
    const known = frame.kind === "map" ? this.#found.get(frame.child)?.key : undefined;
    const quoted = isQuote(this.#peek());
    this.#found.set(frame.child, { key: known ?? value, value, quoted });
    return frame.child;
  }

  #readFlowScalar(): string {
    const start = this.#at;
    if (isQuote(this.#peek())) {
      this.#skipQuoted();
      return this.#text.slice(start + 1, this.#at - 1);
    }
    // At least one character, or a stray one would be read for ever.
    this.#at++;
    while (!this.#isDone) {
      const [char, next] = [this.#peek()!, this.#peek(1)];
      if (isIndicator(char) || isBreak(char)) break;
      if (char === ":" && (isSeparator(next) || isIndicator(next))) break;
      if (char === "#" && isSeparator(this.#peek(-1))) break;
      this.#at++;
    }
    return this.#text.slice(start, this.#at).trim();
  }
}
