/** A value as text, with sorted keys, so that equal values read the same. */
export function format(value: unknown): string {
  return Deno.inspect(value, {
    depth: Infinity,
    sorted: true,
    trailingComma: true,
    compact: false,
    iterableLimit: Infinity,
    getters: true,
    strAbbreviateSize: Infinity,
  });
}

/** The end of a message's first sentence: the caller's own words, or a full stop. */
export function suffix(msg?: string): string {
  return msg ? `: ${msg}` : ".";
}

// deno-lint-ignore no-control-regex
const ESCAPE_SEQUENCE = /\x1b\[[0-9;:?]*[ -/]*[@-~]/g;

/** The text without its terminal colours. */
export function plain(text: string): string {
  return text.replace(ESCAPE_SEQUENCE, "");
}

const CODES = {
  bold: [1, 22],
  red: [31, 39],
  green: [32, 39],
  white: [37, 39],
  gray: [90, 39],
} as const;

/** The text in a style, unless colours are switched off. */
export function style(text: string, ...styles: (keyof typeof CODES)[]): string {
  if (Deno.noColor) return text;
  return styles.reduce((inner, name) => {
    const [on, off] = CODES[name];
    return `\x1b[${on}m${inner}\x1b[${off}m`;
  }, text);
}
