import { element, type Markup, text } from "./markup.ts";
import { formatNumber, type NumberStyle } from "./number_style.ts";

/** What {@linkcode dataTable} shows. */
export interface DataTable {
  /** What the table holds. */
  readonly caption: string;
  /** Headings, with the unit where there is one, and how numbers are written. */
  readonly columns: readonly { readonly title: string; readonly format?: NumberStyle }[];
  /** The rows; the first cell names the row. `null` where nothing was measured. */
  readonly rows: readonly (readonly (number | string | null)[])[];
}

/**
 * A table with a caption, and headings for its columns and rows.
 *
 * @param table What it holds.
 * @returns The table, as HTML, in an element that scrolls where the page is narrow.
 */
export function dataTable({ caption, columns, rows }: DataTable): Markup {
  const headings = columns.map(({ title }) =>
    element("th", { scope: "col" }, text(title))
  );
  const body = rows.map((row) => {
    const cells = row.map((cell, index) => {
      const content = text(sayCell(cell, columns[index]?.format));
      const attributes = { class: typeof cell === "string" ? "words" : undefined };
      return index === 0
        ? element("th", { scope: "row", ...attributes }, content)
        : element("td", attributes, content);
    });
    return element("tr", {}, ...cells);
  });
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, text(caption)),
      element("thead", {}, element("tr", {}, ...headings)),
      element("tbody", {}, ...body),
    ),
  );
}

function sayCell(cell: number | string | null, format?: NumberStyle): string {
  if (cell === null) return "–";
  return typeof cell === "string" ? cell : formatNumber(cell, format);
}
