/** The kinds of nodes. */
export type KindType = "sequence" | "scalar" | "mapping";

/** The ways in which a value can be written. */
export type StyleVariant =
  | "lowercase"
  | "uppercase"
  | "camelcase"
  | "decimal"
  | "binary"
  | "octal"
  | "hexadecimal";

/** Writes a value as text. */
export type RepresentFn<D> = (data: D, style?: StyleVariant) => string;

/** How a tag is read and written. */
// deno-lint-ignore no-explicit-any
export interface Type<K extends KindType, D = any> {
  /** The tag, such as `tag:yaml.org,2002:int`. */
  tag: string;
  /** The kind of node that carries it. */
  kind: K;
  /** Whether a value is written with this type. */
  predicate?: (data: unknown) => data is D;
  /** Writes a value, in one way or in several. */
  represent?: RepresentFn<D> | Record<string, RepresentFn<D>>;
  /** The way that is taken when none is asked for. */
  defaultStyle?: StyleVariant;
  /** Whether what was read is of this type. */
  // deno-lint-ignore no-explicit-any
  resolve: (data: any) => boolean;
  /** Makes the value of what was read. */
  // deno-lint-ignore no-explicit-any
  construct: (data: any) => D;
}

/** Whether a value is what other objects are made of, by its own word. */
export function isPlainObject(value: unknown): value is object {
  return Object.prototype.toString.call(value) === "[object Object]";
}
