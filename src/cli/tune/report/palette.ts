/**
 * Colours of the page. Lines of different kinds differ in brightness as well as in hue, so
 * that they stay apart for every kind of colour vision; lines that have an order use a ramp
 * of viridis' hues, whose brightness alone tells the order. The tests hold both. Each line
 * also has a shape of its own.
 *
 * @module
 */

/** Colours of one appearance. */
export interface Palette {
  /** Behind everything. */
  readonly page: string;
  /** Behind charts, tables and cards. */
  readonly surface: string;
  /** Text. */
  readonly text: string;
  /** Text of less weight, such as an axis' numbers. */
  readonly muted: string;
  /** Lines of axes, borders. */
  readonly border: string;
  /** Lines across a chart. */
  readonly grid: string;
  /** Links, and what stands out. */
  readonly accent: string;
  /** Lines of different kinds. */
  readonly categories: readonly string[];
  /** Lines that have an order, from the least to the most. */
  readonly order: readonly string[];
}

/** For a light page, and for paper. */
export const LIGHT: Palette = {
  page: "#f5f7f9",
  surface: "#ffffff",
  text: "#17202a",
  muted: "#52606d",
  border: "#c9d1d9",
  grid: "#e8ecf0",
  accent: "#005a8f",
  categories: ["#0b5a8f", "#e8590c", "#03a27c", "#ba45dc", "#5c4613", "#6b7c99"],
  order: [
    "#5b9a1f",
    "#2a9162",
    "#1d8585",
    "#2a7196",
    "#37598f",
    "#433b80",
    "#481f6b",
    "#2e0a45",
  ],
};

/** For a dark page. */
export const DARK: Palette = {
  page: "#0f1419",
  surface: "#161b22",
  text: "#e6edf3",
  muted: "#a3afbb",
  border: "#3b4652",
  grid: "#252d36",
  accent: "#6cc0f5",
  categories: ["#74c6ff", "#ffc48c", "#0f9f68", "#cf55d4", "#c9a80e", "#8a93a5"],
  order: [
    "#3f8fd0",
    "#2fa4c4",
    "#2cb7ab",
    "#4ac78c",
    "#79d36b",
    "#a9dc4f",
    "#d6e34a",
    "#fbe94a",
  ],
};

/**
 * Writes a palette as custom properties of CSS.
 *
 * @param palette The palette.
 * @returns Declarations, such as `--page:#fff;`.
 */
export function customProperties(palette: Palette): string {
  return Object.entries(palette).map(([name, value]: [string, string | string[]]) =>
    typeof value === "string"
      ? `--${name}:${value};`
      : value.map((color, index) => `--${name}-${index}:${color};`).join("")
  ).join("");
}

/**
 * The colour of a line, as a value of CSS.
 *
 * @param colors Whether lines are of different kinds or have an order.
 * @param index Which line, from 0.
 * @param count How many lines there are.
 * @returns A reference to a custom property.
 */
export function seriesColor(
  colors: "categories" | "order",
  index: number,
  count: number,
): string {
  const last = LIGHT[colors].length - 1;
  // The whole of the ramp is used, so that few lines are as far apart as can be.
  const place = colors === "order" && count > 1
    ? Math.round(Math.min(index, count - 1) * last / (count - 1))
    : index % (last + 1);
  return `var(--${colors}-${place})`;
}
