/** A place in a text. */
export interface Position {
  /** Line, from 1. */
  readonly line: number;
  /** Column, from 1. */
  readonly column: number;
}

/** Reads a text character by character and knows line and column. */
export class Cursor {
  /** The text. */
  readonly text: string;
  /** Index of the next character. */
  at: number = 0;
  #line = 1;
  #lineStart = 0;

  /**
   * Starts at the beginning of a text.
   *
   * @param text The text.
   */
  constructor(text: string) {
    this.text = text;
  }

  /** Whether the text is read to its end. */
  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** Column of the next character, from 0. */
  get column(): number {
    return this.at - this.#lineStart;
  }

  /** Index of the line break that ends this line, or of the text's end. */
  get lineEnd(): number {
    const end = this.text.indexOf("\n", this.at);
    return end < 0 ? this.text.length : end;
  }

  /** Whether nothing but a comment is left on the line. */
  get atLineEnd(): boolean {
    const char = this.peek();
    return char === undefined || char === "#" || isLineBreak(char);
  }

  /** Where the next character stands. */
  position(): Position {
    return { line: this.#line, column: this.column + 1 };
  }

  /**
   * A character that is still to come.
   *
   * @param offset How far ahead; the next one by default.
   * @returns The character; `undefined` past the end.
   */
  peek(offset: number = 0): string | undefined {
    return this.text[this.at + offset];
  }

  /**
   * Skips characters.
   *
   * @param chars The characters to skip, as many as come.
   */
  skip(chars: string): void {
    while (!this.done && chars.includes(this.text[this.at]!)) this.at++;
  }

  /** Goes to the start of the next line. */
  nextLine(): void {
    this.at = Math.min(this.lineEnd + 1, this.text.length);
    this.#line++;
    this.#lineStart = this.at;
  }

  /** Skips a quoted scalar, over as many lines as it takes; to the end if unclosed. */
  skipQuoted(): void {
    const close = closingQuote(this.text, this.at, this.text.length);
    const end = close === undefined ? this.text.length : close + 1;
    for (let at = this.at; at < end; at++) {
      if (this.text[at] !== "\n") continue;
      this.#line++;
      this.#lineStart = at + 1;
    }
    this.at = end;
  }

  /** Skips the anchors and tags before a value. */
  skipProperties(): void {
    while (this.peek() === "&" || this.peek() === "!") {
      while (!isSeparator(this.peek())) this.at++;
      this.skip(" \t");
    }
  }
}

/**
 * Whether a character breaks a line.
 *
 * @param char The character.
 * @returns `true` for LF and CR.
 */
export function isLineBreak(char: string | undefined): boolean {
  return char === "\n" || char === "\r";
}

/**
 * Whether a character ends a word: white space, or the end of the text.
 *
 * @param char The character.
 * @returns `true` if it does.
 */
export function isSeparator(char: string | undefined): boolean {
  return char === undefined || char === " " || char === "\t" || isLineBreak(char);
}

/**
 * Where a quoted scalar ends.
 *
 * @param text The text.
 * @param start Index of the opening quote.
 * @param end Index before which it must close.
 * @returns Index of the closing quote, if there is one.
 */
export function closingQuote(
  text: string,
  start: number,
  end: number,
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
