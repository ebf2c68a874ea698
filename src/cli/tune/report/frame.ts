/**
 * What charts have around their data: room, axes, and the element that says what they are.
 *
 * @module
 */

import type { Axis } from "./chart_types.ts";
import { element, join, type Markup, text } from "./markup.ts";
import { formatNumber } from "./number_style.ts";
import type { Scale } from "./scale.ts";

/** A chart is drawn once for each; the page shows the one that fits. */
export interface Layout {
  /** Which one. */
  readonly name: "wide" | "narrow";
  /** Width of the drawing, in units that are about a pixel. */
  readonly width: number;
  /** Height of a chart of lines. */
  readonly height: number;
  /** Most ticks of the lower axis. */
  readonly xTicks: number;
  /** Most ticks of the left axis. */
  readonly yTicks: number;
  /** About the width of a character. */
  readonly character: number;
}

/** Both layouts; `style.ts` decides at which width of the page each is shown. */
export const LAYOUTS: readonly Layout[] = [
  { name: "wide", width: 760, height: 380, xTicks: 12, yTicks: 10, character: 7 },
  { name: "narrow", width: 360, height: 320, xTicks: 6, yTicks: 9, character: 6.4 },
];

/** The part of a drawing in which the data is. */
export interface Plot {
  /** Left edge. */
  readonly left: number;
  /** Right edge. */
  readonly right: number;
  /** Upper edge. */
  readonly top: number;
  /** Lower edge. */
  readonly bottom: number;
}

/** Length of a tick's line outside the plot. */
const TICK = 5;

/**
 * Where the data goes, beside numbers of the left axis that are this long.
 *
 * @param layout How large the drawing is.
 * @param labels Texts of the left axis.
 * @returns The edges.
 */
export function plotBeside(layout: Layout, labels: readonly string[]): Plot {
  const longest = Math.max(1, ...labels.map((label) => label.length));
  return {
    left: Math.ceil(longest * layout.character) + TICK + 8,
    right: layout.width - 22,
    top: 34,
    bottom: layout.height - 48,
  };
}

/**
 * An axis' heading: what it shows, in which unit, and whether it is logarithmic.
 *
 * @param axis The axis.
 * @returns Such as `Latency (ms, log scale)`.
 */
export function axisTitle(axis: Axis): string {
  const notes = [axis.unit, axis.scale.kind === "log" ? "log scale" : ""]
    .filter((note) => note !== "");
  return notes.length === 0 ? axis.title : `${axis.title} (${notes.join(", ")})`;
}

/**
 * Draws the lower axis, its ticks, and lines up through the plot.
 *
 * @param axis What it shows.
 * @param scale Its scale.
 * @param plot Where the data goes.
 * @returns The drawing.
 */
export function xAxis(axis: Axis, scale: Scale, plot: Plot): Markup {
  const ticks = scale.ticks.map((value) => {
    const x = scale.place(value);
    return element(
      "g",
      { class: "tick", "data-axis": "x", "data-value": String(value) },
      element("line", { class: "grid", x1: x, x2: x, y1: plot.top, y2: plot.bottom }),
      element("line", {
        class: "mark",
        x1: x,
        x2: x,
        y1: plot.bottom,
        y2: plot.bottom + TICK,
      }),
      element(
        "text",
        { x, y: plot.bottom + TICK + 14, "text-anchor": "middle" },
        text(formatNumber(value, axis.format)),
      ),
    );
  });
  const title = element(
    "text",
    {
      class: "axis-title",
      x: (plot.left + plot.right) / 2,
      y: plot.bottom + 42,
      "text-anchor": "middle",
    },
    text(axisTitle(axis)),
  );
  const line = element("line", {
    class: "mark",
    x1: plot.left,
    x2: plot.right,
    y1: plot.bottom,
    y2: plot.bottom,
  });
  return element("g", { class: "axis" }, ...ticks, line, title);
}

/**
 * Draws the left axis, its ticks, and lines across the plot.
 *
 * @param axis What it shows.
 * @param scale Its scale.
 * @param plot Where the data goes.
 * @returns The drawing.
 */
export function yAxis(axis: Axis, scale: Scale, plot: Plot): Markup {
  const ticks = scale.ticks.map((value) => {
    const y = scale.place(value);
    return element(
      "g",
      { class: "tick", "data-axis": "y", "data-value": String(value) },
      element("line", { class: "grid", x1: plot.left, x2: plot.right, y1: y, y2: y }),
      element("line", {
        class: "mark",
        x1: plot.left - TICK,
        x2: plot.left,
        y1: y,
        y2: y,
      }),
      element(
        "text",
        { x: plot.left - TICK - 4, y: y + 4, "text-anchor": "end" },
        text(formatNumber(value, axis.format)),
      ),
    );
  });
  const title = element(
    "text",
    { class: "axis-title", x: 2, y: 14 },
    text(axisTitle(axis)),
  );
  return element("g", { class: "axis" }, ...ticks, title);
}

/** What {@linkcode drawing} puts around a drawing. */
export interface DrawingOptions {
  /** The chart's id. */
  readonly id: string;
  /** What it is called. */
  readonly title: string;
  /** What it shows. */
  readonly description: string;
  /** Which layout it is drawn for. */
  readonly layout: Layout;
  /** Height of the drawing. */
  readonly height: number;
}

/**
 * The element around a drawing, which names and describes it for those who do not see it.
 *
 * @param options Its texts and its size.
 * @param content The drawing.
 * @returns The element.
 */
export function drawing(options: DrawingOptions, ...content: readonly Markup[]): Markup {
  const { id, title, description, layout, height } = options;
  const [titleId, textId] = [`${id}-${layout.name}-title`, `${id}-${layout.name}-desc`];
  return element(
    "svg",
    {
      class: layout.name,
      viewBox: `0 0 ${layout.width} ${height}`,
      role: "img",
      "aria-labelledby": titleId,
      "aria-describedby": textId,
    },
    element("title", { id: titleId }, text(title)),
    element("desc", { id: textId }, text(description)),
    ...content,
  );
}

/** What {@linkcode figure} puts around a chart. */
export interface FigureOptions {
  /** The chart's id, which becomes the figure's. */
  readonly id: string;
  /** Heading. */
  readonly title: string;
  /** What is shown. */
  readonly description: string;
  /** The legend. */
  readonly legend: Markup;
}

/**
 * A chart with its heading, its legend and its drawings.
 *
 * @param options Its texts.
 * @param drawings The chart, drawn for each layout.
 * @returns The figure.
 */
export function figure(options: FigureOptions, drawings: readonly Markup[]): Markup {
  return element(
    "figure",
    { class: "chart", id: options.id },
    element(
      "figcaption",
      {},
      element("strong", {}, text(options.title)),
      element("span", {}, text(options.description)),
    ),
    options.legend,
    element("div", { class: "canvas" }, join(drawings)),
  );
}
