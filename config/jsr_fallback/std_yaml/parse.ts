import { load } from "./_load.ts";
import { getSchema, type SchemaType } from "./_schema.ts";
import type { YamlSyntaxError } from "./types.ts";

export type { SchemaType };

/** Options for {@linkcode parse}. */
export interface ParseOptions {
  /**
   * The types that the text may contain.
   *
   * @default {"default"}
   */
  schema?: SchemaType;
  /**
   * Whether a later key replaces an earlier one; else it is an error.
   *
   * @default {false}
   */
  allowDuplicateKeys?: boolean;
  /** Called with what is odd, but no error. */
  onWarning?(error: YamlSyntaxError): void;
}

/**
 * Reads a text of one YAML document.
 *
 * @param content The text.
 * @param options Additional options.
 * @returns The document; `null` for an empty text.
 * @throws {YamlSyntaxError} If the text is no YAML, or has more than one document.
 *
 * @example Usage
 * ```ts
 * import { parse } from "@std/yaml/parse";
 *
 * parse("id: 1"); // { id: 1 }
 * ```
 */
export function parse(content: string, options: ParseOptions = {}): unknown {
  const schema = getSchema(options.schema);
  const [document] = load(content, { ...options, schema, singleDocument: true });
  return document ?? null;
}

/**
 * Reads a text of any number of YAML documents.
 *
 * @param content The text.
 * @param options Additional options.
 * @returns The documents.
 * @throws {YamlSyntaxError} If the text is no YAML.
 *
 * @example Usage
 * ```ts
 * import { parseAll } from "@std/yaml/parse";
 *
 * parseAll("---\nid: 1\n---\nid: 2"); // [{ id: 1 }, { id: 2 }]
 * ```
 */
export function parseAll(content: string, options: ParseOptions = {}): unknown[] {
  const schema = getSchema(options.schema);
  return load(content, { ...options, schema, singleDocument: false });
}
