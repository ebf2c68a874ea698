/**
 * HTML and SVG as template strings whose values are escaped.
 *
 * @module
 */

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
