/** Longest piece of a value that an error quotes. */
const MAX_QUOTE = 40;

/**
 * A text from outside, safe to print: quoted, control characters escaped, shortened.
 *
 * @param text The text.
 * @returns The text as a message shows it.
 */
export function quote(text: string): string {
  const short = text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text;
  return JSON.stringify(short);
}

/**
 * A key as a message shows it. Of one that is no plain word only the beginning is told:
 * `password:secret`, with the space forgotten, is a key too.
 *
 * @param key The key as it is written.
 * @returns The key, or its beginning.
 */
export function keyName(key: string): string {
  if (/^[\w.-]{1,64}$/.test(key)) return key;
  return `${/^[A-Za-z_-]{0,32}/.exec(key)?.[0] ?? ""}…`;
}

/**
 * What was found in place of a mapping or a list: its type, never its text.
 *
 * @param value The value that was found.
 * @returns Text such as `a text of 16 characters` or `a list of 3`.
 */
export function foundShape(value: unknown): string {
  return typeof value === "string"
    ? `a text of ${value.length} characters`
    : foundText(value);
}

/**
 * What was found, in words that give no secret away: a text that looks like it holds
 * credentials is only counted.
 *
 * @param value The value that was found.
 * @returns Text such as `"abc"`, `a mapping` or `a text of 30 characters`.
 */
export function foundText(value: unknown): string {
  if (typeof value === "string") {
    return /@|:\/\//.test(value)
      ? `a text of ${value.length} characters (not shown: it may hold a password)`
      : quote(value);
  }
  if (value === null) return "null";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  switch (typeof value) {
    case "number":
    case "boolean":
      return String(value);
    case "bigint":
      return "a bigint";
    case "object":
      return "a mapping";
    default:
      return `a ${typeof value}`;
  }
}
