/** How values are written as text, and read again. */
export interface Codec<T> {
  /** Writes a value. */
  encode(value: T): string;
  /** Reads a value; throws if the text is none. */
  decode(text: string): T | Promise<T>;
}

/**
 * What a schema of Zod, Valibot, ArkType and others is, as far as it is needed here: version
 * 1 of [Standard Schema](https://standardschema.dev).
 */
export interface StandardSchema<T = unknown> {
  /** Validates values. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
    ) => StandardResult<T> | Promise<StandardResult<T>>;
  };
}

/** The outcome of a validation. */
export type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | {
    readonly issues: readonly {
      readonly message: string;
      readonly path?:
        | readonly (PropertyKey | { readonly key: PropertyKey })[]
        | undefined;
    }[];
  };

/** What checks the values that are read. */
export type ValueSchema<T> = StandardSchema<T> | { parse(value: unknown): T };

/**
 * Values as JSON.
 *
 * @param schema Checks, and may convert, each value that is read: a schema of Zod, Valibot,
 * ArkType or another one that is a Standard Schema, or an object with `parse()`. Default:
 * nothing is checked, and `T` is what the program says.
 * @returns The codec, for `manager.values()`.
 *
 * @example Usage
 * ```ts
 * import { json } from "@mooring/redis";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const numbers = json({
 *   parse: (value: unknown): number => {
 *     if (typeof value === "number") return value;
 *     throw new TypeError("not a number");
 *   },
 * });
 * assertEquals(numbers.decode(numbers.encode(7)), 7);
 * assertThrows(() => numbers.decode('"seven"'), TypeError, "not a number");
 * ```
 */
export function json<T = unknown>(schema?: ValueSchema<T>): Codec<T> {
  return {
    encode: (value) => {
      const text = JSON.stringify(value);
      if (text !== undefined) return text;
      throw new TypeError(`Cannot write ${typeof value} as JSON`);
    },
    decode: (text) => {
      const value: unknown = JSON.parse(text);
      return schema === undefined ? value as T : check(schema, value);
    },
  };
}

function check<T>(schema: ValueSchema<T>, value: unknown): T | Promise<T> {
  if (!("~standard" in schema)) return schema.parse(value);
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then(valueOf) : valueOf(result);
}

function valueOf<T>(result: StandardResult<T>): T {
  if (result.issues === undefined) return result.value;
  const texts = result.issues.map(({ message, path = [] }) => {
    const keys = path.map((part) => String(typeof part === "object" ? part.key : part));
    return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
  });
  throw new TypeError(texts.join("; "));
}
