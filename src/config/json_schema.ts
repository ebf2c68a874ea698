import schema from "../../config/redis-databases.schema.json" with { type: "json" };

/** A JSON Schema, or a part of one. */
export type JsonSchema = { [key: string]: unknown };

/**
 * The JSON Schema (draft 07) of the YAML file, for editors, and for checks without this
 * package.
 *
 * @returns The schema, a plain object.
 *
 * @example Usage
 * ```ts
 * import { configJsonSchema } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(configJsonSchema().type, ["object", "null"]);
 * ```
 */
export function configJsonSchema(): JsonSchema {
  return structuredClone(schema);
}
