import { Dumper } from "./_dump.ts";
import { getSchema, type SchemaType } from "./_schema.ts";
import type { StyleVariant } from "./_type.ts";

export type { SchemaType, StyleVariant };

/** Options for {@linkcode stringify}. */
export type StringifyOptions = {
  /**
   * Columns of one level of nesting, 1 or more.
   *
   * @default {2}
   */
  indent?: number;
  /**
   * Whether the items of a list in a mapping are a level deeper than their key.
   *
   * @default {true}
   */
  arrayIndent?: boolean;
  /**
   * Whether values that YAML cannot express are left out; else they are errors.
   *
   * @default {false}
   */
  skipInvalid?: boolean;
  /**
   * The level from which collections are written in flow style; -1 for none.
   *
   * @default {-1}
   */
  flowLevel?: number;
  /** How the values of a tag are written, by tag. */
  styles?: Record<string, StyleVariant>;
  /**
   * The types that the text may contain.
   *
   * @default {"default"}
   */
  schema?: SchemaType;
  /**
   * Whether keys are sorted, or how.
   *
   * @default {false}
   */
  sortKeys?: boolean | ((a: string, b: string, depth: number) => number);
  /**
   * The width to fold long strings at, in columns; -1 for none.
   *
   * @default {80}
   */
  lineWidth?: number;
  /**
   * Whether an object that is found again is written as a reference.
   *
   * @default {true}
   */
  useAnchors?: boolean;
  /**
   * Whether words that YAML 1.1 took for booleans are quoted.
   *
   * @default {true}
   */
  compatMode?: boolean;
  /**
   * Whether flow collections are written without spaces.
   *
   * @default {false}
   */
  condenseFlow?: boolean;
};

/**
 * Writes a value as a YAML document.
 *
 * @param data The value.
 * @param options Additional options.
 * @returns The text.
 * @throws {TypeError} If YAML cannot express the value.
 *
 * @example Usage
 * ```ts
 * import { stringify } from "@std/yaml/stringify";
 *
 * stringify({ id: 1 }); // "id: 1\n"
 * ```
 */
export function stringify(data: unknown, options: StringifyOptions = {}): string {
  return new Dumper({ ...options, schema: getSchema(options.schema) }).dump(data);
}
