import { element, join, type Markup, text } from "./markup.ts";

/** Shapes that tell lines apart where colours cannot; each is centred on 0, 0. */
const SHAPES = [
  "M-4,0A4,4 0 1,0 4,0A4,4 0 1,0 -4,0Z",
  "M-3.6,-3.6H3.6V3.6H-3.6Z",
  "M0,-5L5,0L0,5L-5,0Z",
  "M0,-4.4L4.8,4.4H-4.8Z",
  "M0,4.4L4.8,-4.4H-4.8Z",
  "M-1.6,-4.6H1.6V-1.6H4.6V1.6H1.6V4.6H-1.6V1.6H-4.6V-1.6H-1.6Z",
  "M-4.8,-2.4H4.8V2.4H-4.8Z",
  "M-2.4,-4.8H2.4V4.8H-2.4Z",
] as const;

/**
 * The outline of a line's points.
 *
 * @param index Which line, from 0.
 * @returns Data of a path around 0, 0.
 */
export function markerShape(index: number): string {
  return SHAPES[index % SHAPES.length] ?? SHAPES[0];
}

/** One line of a legend. */
export interface LegendItem {
  /** What it means. */
  readonly name: string;
  /** Its colour, as a value of CSS. */
  readonly color: string;
  /** What it looks like: a line with the shape of its points, a bar, or a ring. */
  readonly look: { readonly shape: string } | "bar" | "ring";
}

/**
 * Draws a legend, as a list that wraps where the page is narrow.
 *
 * @param items What it explains.
 * @returns The list.
 */
export function legend(items: readonly LegendItem[]): Markup {
  return element(
    "ul",
    { class: "legend" },
    ...items.map(({ name, color, look }) =>
      element(
        "li",
        {},
        element(
          "svg",
          {
            width: 30,
            height: 14,
            viewBox: "-15 -7 30 14",
            "aria-hidden": "true",
            style: `--series:${color}`,
          },
          swatch(look),
        ),
        element("span", {}, text(name)),
      )
    ),
  );
}

function swatch(look: LegendItem["look"]): Markup {
  if (look === "bar") {
    return element("rect", { class: "bar", x: -8, y: -6, width: 16, height: 12 });
  }
  if (look === "ring") return element("circle", { class: "ring", r: 6 });
  return join([
    element("path", { class: "line", d: "M-14,0H14" }),
    element("path", { class: "point", d: look.shape }),
  ]);
}
