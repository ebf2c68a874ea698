import { Markup, markup } from "./markup.ts";
import { formatNumber, type NumberStyle } from "../../numbers.ts";

/** What {@linkcode dataTable} shows. */
interface DataTable {
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
 * @returns The table, in an element that scrolls where the page is narrow.
 */
export function dataTable({ caption, columns, rows }: DataTable): Markup {
  const head = columns.map(({ title }) => markup`<th scope="col">${title}</th>`);
  const body = rows.map((row) => {
    const cells = row.map((cell, index) => {
      const isText = typeof cell === "string" && !/^\d/.test(cell);
      const words = new Markup(isText ? ' class="words"' : "");
      const text = typeof cell === "number"
        ? formatNumber(cell, columns[index]?.format)
        : cell ?? "–";
      return index === 0
        ? markup`<th scope="row"${words}>${text}</th>`
        : markup`<td${words}>${text}</td>`;
    });
    return markup`<tr>${cells}</tr>`;
  });
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
<table><caption>${caption}</caption><thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}
