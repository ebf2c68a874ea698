import { load } from "./_load.ts";
import { getSchema, type ImplicitType, type SchemaType } from "./_schema.ts";
import type { KindType, RepresentFn, Type } from "./_type.ts";
import type { ParseOptions as StableParseOptions } from "./parse.ts";

export type { ImplicitType, KindType, RepresentFn, SchemaType, Type };

/** Options for {@linkcode parse}. */
export type ParseOptions = StableParseOptions & {
  /** Types that are tried before those of the schema. */
  extraTypes?: ImplicitType[];
};

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
 * import { parse } from "@std/yaml/unstable-parse";
 *
 * parse("id: 1", { extraTypes: [] }); // { id: 1 }
 * ```
 */
export function parse(content: string, options: ParseOptions = {}): unknown {
  const schema = getSchema(options.schema, options.extraTypes);
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
 * import { parseAll } from "@std/yaml/unstable-parse";
 *
 * parseAll("---\nid: 1", { extraTypes: [] }); // [{ id: 1 }]
 * ```
 */
export function parseAll(content: string, options: ParseOptions = {}): unknown[] {
  const schema = getSchema(options.schema, options.extraTypes);
  return load(content, { ...options, schema, singleDocument: false });
}
