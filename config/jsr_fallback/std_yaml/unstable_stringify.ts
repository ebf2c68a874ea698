import { Dumper } from "./_dump.ts";
import { getSchema, type ImplicitType, type SchemaType } from "./_schema.ts";
import type { KindType, RepresentFn, Type } from "./_type.ts";
import type { StringifyOptions as StableStringifyOptions } from "./stringify.ts";

export type { ImplicitType, KindType, RepresentFn, SchemaType, Type };

/** Options for {@linkcode stringify}. */
export type StringifyOptions = StableStringifyOptions & {
  /**
   * The quotes to prefer; what cannot be printed is in double quotes always.
   *
   * @default {"'"}
   */
  quoteStyle?: "'" | '"';
  /** Types that are tried before those of the schema. */
  extraTypes?: ImplicitType[];
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
 * import { stringify } from "@std/yaml/unstable-stringify";
 *
 * stringify({ id: "a b" }, { quoteStyle: '"' });
 * ```
 */
export function stringify(data: unknown, options: StringifyOptions = {}): string {
  const schema = getSchema(options.schema, options.extraTypes);
  return new Dumper({ ...options, schema }).dump(data);
}
