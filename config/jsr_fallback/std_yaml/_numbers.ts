import type { StyleVariant, Type } from "./_type.ts";

/**
 * As in std, decimal integers but 0 are floats when read: the tag is only seen when it is
 * written out, as in `!!int 42`, which is refused.
 */
const INTEGER = /^[-+]?(?:0|0b[01_]*[01]|0x[0-9a-fA-F_]*[0-9a-fA-F]|0[0-7_]*[0-7])$/;

const DECIMAL = /^[-+]?(?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?$/;
const FRACTION = /^\.[0-9_]+(?:[eE][-+]?[0-9]+)?$/;
const SPECIAL = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

function isNumber(value: unknown): value is number {
  return typeof value === "number" || value instanceof Number;
}

function isInteger(value: unknown): value is number {
  return isNumber(value) && value % 1 === 0 && !Object.is(value.valueOf(), -0);
}

function isFloat(value: unknown): value is number {
  return isNumber(value) && !isInteger(value);
}

/** Writes the digits of an integer to a base, after the base's mark. */
function inBase(base: number, mark: string): (value: number) => string {
  return (value) => {
    const sign = value < 0 ? "-" : "";
    return `${sign}${mark}${Math.abs(value.valueOf()).toString(base).toUpperCase()}`;
  };
}

/** Reads an integer in any of its notations. */
function toInteger(text: string): number {
  const digits = text.replace(/[-+_]/g, "");
  const octal = /^0[0-7]/.test(digits);
  const value = octal ? Number.parseInt(digits, 8) : Number(digits);
  return text.startsWith("-") && digits !== "0" ? -value : value;
}

/** Integers. */
export const int: Type<"scalar", number> = {
  tag: "tag:yaml.org,2002:int",
  kind: "scalar",
  defaultStyle: "decimal",
  predicate: isInteger,
  // As in std, a tag without a value is a TypeError here: callers have to catch that too.
  resolve: (data: string) => data.length > 0 && INTEGER.test(data),
  construct: toInteger,
  represent: {
    decimal: String,
    binary: inBase(2, "0b"),
    octal: inBase(8, "0"),
    hexadecimal: inBase(16, "0x"),
  },
};

function toFloat(text: string): number {
  const plain = text.replaceAll("_", "").toLowerCase();
  if (plain.endsWith(".nan")) return NaN;
  if (plain.endsWith(".inf")) return plain.startsWith("-") ? -Infinity : Infinity;
  return Number.parseFloat(plain);
}

const SPECIAL_NAMES: Partial<Record<StyleVariant, [inf: string, nan: string]>> = {
  lowercase: [".inf", ".nan"],
  uppercase: [".INF", ".NAN"],
  camelcase: [".Inf", ".NaN"],
};

function fromFloat(value: number, style: StyleVariant = "lowercase"): string {
  const number = value.valueOf();
  const names = SPECIAL_NAMES[style];
  if (names && Number.isNaN(number)) return names[1];
  if (names && number === Infinity) return names[0];
  if (names && number === -Infinity) return `-${names[0]}`;
  if (Object.is(number, -0)) return "-0.0";
  // YAML 1.1 wants a dot in 5e-12.
  return String(number).replace(/^([-+]?\d+)e/, "$1.e");
}

/** Floating-point numbers, and what JavaScript has no other number for. */
export const float: Type<"scalar", number> = {
  tag: "tag:yaml.org,2002:float",
  kind: "scalar",
  defaultStyle: "lowercase",
  predicate: isFloat,
  resolve: (data: string | null) =>
    data !== null && !data.endsWith("_") &&
    (DECIMAL.test(data) || FRACTION.test(data) || SPECIAL.test(data)),
  construct: toFloat,
  represent: fromFloat,
};
