/**
 * Numbers for people.
 *
 * @module
 */

/** How numbers are written: with separators, shortened, as bytes, or as a ratio. */
export type NumberStyle = "number" | "compact" | "bytes" | "ratio";

const NUMBER = new Intl.NumberFormat("en-US", {
  maximumSignificantDigits: 3,
  useGrouping: true,
});
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat("en-US", {
  notation: "compact",
  maximumSignificantDigits: 3,
});
const BYTE_UNITS = ["B", "KiB", "MiB", "GiB"] as const;

/**
 * Writes a number for people.
 *
 * @param value The number.
 * @param style `number` has separators and below 100 three digits that count; `compact`
 * shortens to K and M; `bytes` shortens to KiB and MiB; `ratio` ends with a times sign.
 * @returns The text, such as `1,024`, `1.5M` or `64 KiB`.
 */
export function formatNumber(value: number, style: NumberStyle = "number"): string {
  if (style === "compact") return COMPACT.format(value);
  if (style === "bytes") return formatBytes(value);
  if (style === "ratio") return `${formatNumber(value)}×`;
  return Math.abs(value) < 100 ? NUMBER.format(value) : WHOLE.format(value);
}

/** A whole number with separators, such as `12,346`. */
export function thousands(value: number): string {
  return WHOLE.format(value);
}

/** How many of what, such as `1 lane` or `1,024 callers`. */
export function counted(count: number, noun: string): string {
  return `${thousands(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** A share as whole percent, such as `12 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Milliseconds without their unit, such as `0.25`, `7.50` or `120`. */
export function milliseconds(value: number): string {
  return value.toFixed(value < 10 ? 2 : 0);
}

/**
 * The style where there is room for the whole number, such as in a table.
 *
 * @param style How an axis writes it.
 * @returns The same, but never shortened to K and M.
 */
export function unshortened(style: NumberStyle = "number"): NumberStyle {
  return style === "compact" ? "number" : style;
}

function formatBytes(value: number): string {
  let [scaled, unit] = [value, 0];
  while (scaled >= 1024 && unit < BYTE_UNITS.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${formatNumber(scaled)} ${BYTE_UNITS[unit]}`;
}
