/**
 * HTML and SVG as template strings whose values are escaped, and tables made of them.
 *
 * @module
 */
import { formatNumber, type NumberStyle } from "../../numbers.ts";

/** HTML or SVG in which every value is escaped. */
export class Markup {
  readonly #text: string;

  /** Takes markup: only what the project itself has written. */
  constructor(text: string) {
    this.#text = text;
  }

  /** Whether there is nothing. */
  get isEmpty(): boolean {
    return this.#text === "";
  }

  /** The markup. */
  toString(): string {
    return this.#text;
  }
}

/** What may stand in a template: markup as it is, all else escaped. */
type Value = Markup | string | number | readonly Value[];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(value: Value): string {
  if (Array.isArray(value)) return value.map(escape).join("");
  if (value instanceof Markup) return value.toString();
  return String(value).replace(/[&<>"']/g, (found) => ENTITIES[found] ?? found);
}

/**
 * A template of HTML or SVG. Attributes stand in double quotes.
 *
 * @example Usage
 * ```ts ignore
 * markup`<p class="${name}">${words}</p>`
 * ```
 */
export function markup(
  strings: TemplateStringsArray,
  ...values: readonly Value[]
): Markup {
  return new Markup(String.raw({ raw: strings }, ...values.map(escape)));
}

/**
 * A value as JSON that can stand in a `script` element, whatever its texts hold: a `<` could
 * end the element or begin a comment in it.
 */
export function jsonForScript(value: unknown): Markup {
  return new Markup(JSON.stringify(value).replaceAll("<", "\\u003c"));
}

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
