/**
 * Types of the YAML parser.
 *
 * @module
 */

/** A place in a YAML text. */
export interface YamlPosition {
  /** The line, from 1. */
  readonly line: number;
  /** The column, from 1. */
  readonly column: number;
  /** The offset in UTF-16 units, from 0. */
  readonly offset: number;
}

/**
 * A text is no YAML, or no YAML of the schema that was asked for.
 *
 * @example Usage
 * ```ts
 * import { parse, YamlSyntaxError } from "@std/yaml";
 *
 * try {
 *   parse('"');
 * } catch (error) {
 *   if (!(error instanceof YamlSyntaxError)) throw error;
 *   console.log(error.line, error.column);
 * }
 * ```
 */
export class YamlSyntaxError extends SyntaxError {
  /** The line of the error, from 1. */
  readonly line: number;
  /** The column of the error, from 1. */
  readonly column: number;
  /** The offset of the error in UTF-16 units, from 0. */
  readonly offset: number;
  /** The line's text around the error, and a line with a caret below it. */
  readonly snippet?: string;

  /**
   * Constructs a new instance.
   *
   * @param message What is wrong.
   * @param position Where it is.
   * @param snippet What stands there.
   */
  constructor(message: string, position: YamlPosition, snippet?: string) {
    const { line, column, offset } = position;
    const where = `at line ${line}, column ${column}`;
    super(`${message} ${where}${snippet ? `:\n${snippet}` : ""}`);
    this.name = "YamlSyntaxError";
    this.line = line;
    this.column = column;
    this.offset = offset;
    if (snippet !== undefined) this.snippet = snippet;
  }
}
