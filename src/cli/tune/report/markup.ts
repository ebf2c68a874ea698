/**
 * Text that is safe to stand in the page: the type says who has escaped it.
 *
 * @module
 */

declare const ESCAPED: unique symbol;

/** HTML or SVG that was built here; every value in it is escaped. */
export type Markup = string & { readonly [ESCAPED]: true };

/** Attributes of an element; those that are `undefined` or `false` are left out. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Elements of HTML that have no end tag. */
const VOID = new Set(["meta", "link", "br"]);

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Says that a text is markup already: only for what the project itself has written.
 *
 * @param markup The markup.
 * @returns The same text.
 */
export function trusted(markup: string): Markup {
  return markup as Markup;
}

/**
 * Escapes a text, as content and as a value of an attribute.
 *
 * @param value The text, or a number.
 * @returns It as markup.
 */
export function text(value: string | number): Markup {
  return trusted(String(value).replace(/[&<>"']/g, (found) => ENTITIES[found] ?? found));
}

/**
 * Puts pieces together.
 *
 * @param pieces The pieces.
 * @returns All of them, one after the other.
 */
export function join(pieces: readonly Markup[]): Markup {
  return trusted(pieces.join(""));
}

/**
 * Builds an element.
 *
 * @param name Its name.
 * @param attributes Its attributes, not yet escaped.
 * @param children What stands in it.
 * @returns The element.
 */
export function element(
  name: string,
  attributes: Attributes,
  ...children: readonly Markup[]
): Markup {
  const written = Object.entries(attributes).map(([key, value]) =>
    value === undefined || value === false
      ? ""
      : value === true
      ? ` ${key}`
      : ` ${key}="${text(typeof value === "number" ? coordinate(value) : value)}"`
  ).join("");
  const end = VOID.has(name) ? "" : `${children.join("")}</${name}>`;
  return trusted(`<${name}${written}>${end}`);
}

/**
 * Writes a value as JSON that can stand in a `script` element, whatever its texts hold: a
 * `<` could end the element or begin a comment in it.
 *
 * @param value The value.
 * @returns Its JSON, which `JSON.parse()` reads as it was.
 */
export function jsonForScript(value: unknown): Markup {
  return trusted(JSON.stringify(value).replaceAll("<", "\\u003c"));
}

/** A number as short as it can be without being seen to be elsewhere. */
function coordinate(value: number): string {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(7)));
}
