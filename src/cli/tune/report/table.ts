import type { BarChart, LineChart } from "./chart_types.ts";
import { axisTitle } from "./frame.ts";
import { element, type Markup, text } from "./markup.ts";
import { formatNumber, type NumberStyle, unshortened } from "./number_style.ts";

/** One cell: a number, a text, or nothing where nothing was measured. */
export type Cell = number | string | null;

/** A column. */
export interface Column {
  /** Heading, with the unit where there is one. */
  readonly title: string;
  /** How its numbers are written. Default: `number`. */
  readonly format?: NumberStyle;
}

/** What {@linkcode dataTable} shows. */
export interface DataTable {
  /** What the table holds. */
  readonly caption: string;
  /** The columns, from the left. */
  readonly columns: readonly Column[];
  /** The rows; the first cell names the row. */
  readonly rows: readonly (readonly Cell[])[];
}

/**
 * A table with a caption, and headings for its columns and rows.
 *
 * @param table What it holds.
 * @returns The table, as HTML, in an element that scrolls where the page is narrow.
 */
export function dataTable(table: DataTable): Markup {
  const headings = table.columns.map(({ title }) =>
    element("th", { scope: "col" }, text(title))
  );
  const rows = table.rows.map((row) =>
    element(
      "tr",
      {},
      ...row.map((cell, index) => {
        const content = text(sayCell(cell, table.columns[index]?.format));
        const attributes = { class: typeof cell === "string" ? "words" : undefined };
        return index === 0
          ? element("th", { scope: "row", ...attributes }, content)
          : element("td", attributes, content);
      }),
    )
  );
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": table.caption },
    element(
      "table",
      {},
      element("caption", {}, text(table.caption)),
      element("thead", {}, element("tr", {}, ...headings)),
      element("tbody", {}, ...rows),
    ),
  );
}

/**
 * A chart's numbers as a table, folded away until it is asked for; on paper it is open.
 *
 * @param chart The chart.
 * @returns The table, as HTML.
 */
export function chartTable(chart: LineChart | BarChart): Markup {
  return element(
    "details",
    {},
    element("summary", {}, text(`Numbers: ${chart.title}`)),
    dataTable("groups" in chart ? barTable(chart) : lineTable(chart)),
  );
}

function lineTable(chart: LineChart): DataTable {
  const places = new Set(chart.series.flatMap(({ points }) => points.map(({ x }) => x)));
  const rows = [...places].sort((a, b) => a - b).map((x) => [
    x,
    ...chart.series.map(({ points }) => points.find((point) => point.x === x)?.y ?? null),
  ]);
  const format = unshortened(chart.y.format);
  return {
    caption: `${chart.title}: ${chart.y.title} (${chart.y.unit})`,
    columns: [
      {
        title: axisTitle({ ...chart.x, scale: { kind: "linear" } }),
        format: unshortened(chart.x.format),
      },
      ...chart.series.map(({ name }) => ({ title: name, format })),
    ],
    rows,
  };
}

function barTable(chart: BarChart): DataTable {
  return {
    caption: `${chart.title}: ${chart.x.title} (${chart.x.unit})`,
    columns: [
      { title: chart.groupTitle },
      ...chart.series.map(({ name }) => ({ title: name })),
    ],
    rows: chart.groups.map((name, index) => [
      name,
      ...chart.series.map(({ values }) => values[index]?.value ?? null),
    ]),
  };
}

function sayCell(cell: Cell, format: NumberStyle = "number"): string {
  if (cell === null) return "–";
  return typeof cell === "string" ? cell : formatNumber(cell, format);
}
