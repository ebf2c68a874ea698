import { map, omap, pairs, seq, set } from "./_collections.ts";
import { float, int } from "./_numbers.ts";
import {
  binary,
  bool,
  merge,
  nil,
  regexp,
  str,
  timestamp,
  undefinedType,
} from "./_scalars.ts";
import type { KindType, Type } from "./_type.ts";

/**
 * The name of a schema: each one knows all that the one before it knows.
 *
 * - `failsafe`: mappings, lists and strings.
 * - `json`: nulls, booleans and numbers too.
 * - `core`: the same as `json`.
 * - `default`: bytes, timestamps, merges, ordered maps, pairs and sets too.
 * - `extended`: regular expressions and undefined too.
 */
export type SchemaType = "failsafe" | "json" | "core" | "default" | "extended";

/** A type that is recognised without its tag. */
export type ImplicitType = Type<"scalar">;

/** The types that a text may contain. */
export interface Schema {
  /** Recognised by the look of a scalar, the first that fits. */
  implicit: readonly ImplicitType[];
  /** Recognised by their tag only. */
  explicit: readonly Type<KindType>[];
}

const FAILSAFE: Schema = { implicit: [], explicit: [str, seq, map] };
const JSON_LIKE: Schema = { ...FAILSAFE, implicit: [nil, bool, int, float] };
const DEFAULT: Schema = {
  implicit: [timestamp, merge, ...JSON_LIKE.implicit],
  explicit: [binary, omap, pairs, set, ...JSON_LIKE.explicit],
};
const EXTENDED: Schema = {
  ...DEFAULT,
  explicit: [regexp, undefinedType, ...DEFAULT.explicit],
};

const SCHEMAS: ReadonlyMap<string, Schema> = new Map([
  ["failsafe", FAILSAFE],
  ["json", JSON_LIKE],
  ["core", JSON_LIKE],
  ["default", DEFAULT],
  ["extended", EXTENDED],
]);

/** The schema of a name, the default one for a name that is none; extra types come first. */
export function getSchema(
  name: SchemaType = "default",
  extraTypes: readonly ImplicitType[] = [],
): Schema {
  const schema = SCHEMAS.get(name) ?? DEFAULT;
  if (extraTypes.length === 0) return schema;
  return { ...schema, implicit: [...extraTypes, ...schema.implicit] };
}
