import { parse } from "@std/yaml/parse";
import { ConfigError } from "../core/errors/config.ts";
import { isGroup, settingNames } from "./names.ts";
import { DATABASES_KEYS } from "./settings.ts";
import {
  closingQuote,
  type EntryPosition,
  locateYaml,
  type Position,
  type YamlPositions,
} from "./sources/yaml_positions.ts";

/** Options of {@linkcode editSettings}. */
export interface EditSettingsOptions {
  /** Database whose settings are set; by default those at the root, for all databases. */
  database?: string;
  /** What the text is known by in errors, such as its path. Default `yaml text`. */
  origin?: string;
}

/**
 * Sets settings in a YAML text; everything else stays byte for byte: comments, order,
 * quotes, line ends. A setting that stands there under another of its names keeps it.
 *
 * @param text The YAML of a configuration.
 * @param settings The values by their names in YAML, such as `max_connections`; durations
 * in seconds.
 * @param options Which database.
 * @returns The text with the values; that they are allowed is for the loader to say.
 * @throws {ConfigError} If there is no such setting or database in the text, or it cannot
 * be set without changing something else too, such as what an alias repeats.
 *
 * @example Usage
 * ```ts
 * import { editSettings } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "databases:\n  cache: { db: 5 } # fast\n\ntimeout: 3\n";
 * assertEquals(
 *   editSettings(text, { max_lanes: 2 }, { database: "cache" }),
 *   "databases:\n  cache: { db: 5, max_lanes: 2 } # fast\n\ntimeout: 3\n",
 * );
 * assertEquals(
 *   editSettings(text, { socket_timeout: 1 }),
 *   "databases:\n  cache: { db: 5 } # fast\n\ntimeout: 1\n",
 * );
 * ```
 */
export function editSettings(
  text: string,
  settings: Readonly<Record<string, number | boolean>>,
  options: EditSettingsOptions = {},
): string {
  const { database, origin = "yaml text" } = options;
  const entries = locateYaml(text);
  const refuse = (key: string, message: string) =>
    new ConfigError([{ origin, key, message }]);
  const map = DATABASES_KEYS.find((key) => entries.get([key]) !== undefined);
  const path = database === undefined ? [] : [map ?? "databases", database];
  if (database !== undefined && entries.get(path) === undefined) {
    throw refuse(`databases.${database}`, "the text has no such database");
  }
  const names = settingNames("yaml", database === undefined ? "root" : "database");
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings)) {
    const setting = names.get(name);
    if (setting === undefined || isGroup(setting)) {
      throw refuse(name, "there is no setting of this name that holds one value");
    }
    const spellings = [setting.yaml, ...setting.aliases];
    const present = spellings.find((key) => entries.get([...path, key]) !== undefined);
    values[present ?? setting.yaml] = String(value);
  }
  try {
    return editYaml(text, path, values);
  } catch (error) {
    // What the parser says may quote a password.
    const message = error instanceof YamlEditError ? error.message : "it cannot be read";
    throw refuse(path.join("."), `Cannot set the values in this text: ${message}`);
  }
}

/** Why a text cannot be edited. */
class YamlEditError extends Error {}

/** Indentation of a mapping that has none yet, in columns. */
const INDENT = 2;
const BOM = "\uFEFF";

/** Sets scalars in the mapping at a path; everything else stays byte for byte. */
function editYaml(
  text: string,
  path: readonly string[],
  values: Readonly<Record<string, string>>,
): string {
  const before = parse(text, { schema: "failsafe" });
  let edited = text;
  // One after the other: each moves what is behind it.
  for (const [key, value] of Object.entries(values)) {
    edited = setValue(edited, path, key, value);
  }
  const after = parse(edited, { schema: "failsafe" });
  if (!isOnlyChange(before, after, { path, values, left: MAX_NODES })) {
    throw new YamlEditError("more than the values would change");
  }
  return edited;
}

/** Most nodes that are compared: aliases of aliases can stand for billions. */
const MAX_NODES = 50_000;

/**
 * Whether two documents differ in the values at the path alone. What aliases share is
 * compared for each of them, so a change behind an alias is found.
 */
function isOnlyChange(
  before: unknown,
  after: unknown,
  change: {
    path: readonly string[] | undefined;
    readonly values: Readonly<Record<string, string>>;
    left: number;
  },
): boolean {
  const { path, values } = change;
  if (--change.left < 0) throw new RangeError(`more than ${MAX_NODES} nodes`);
  const isTarget = path?.length === 0;
  if (!isTarget && (typeof before !== "object" || before === null)) {
    return before === after && path === undefined;
  }
  if (typeof after !== "object" || after === null) return false;
  if (Array.isArray(before) !== Array.isArray(after)) return false;
  const [old, now] = [before ?? {}, after].map((one) => new Map(Object.entries(one)));
  const keys = new Set([...old!.keys(), ...(isTarget ? Object.keys(values) : [])]);
  return keys.size === now!.size && [...keys].every((key) => {
    if (isTarget && Object.hasOwn(values, key)) return now!.get(key) === values[key];
    change.path = path?.[0] === key ? path.slice(1) : undefined;
    return now!.has(key) && isOnlyChange(old!.get(key), now!.get(key), change);
  });
}

function setValue(
  text: string,
  path: readonly string[],
  key: string,
  value: string,
): string {
  const editor = new Editor(text, path);
  return editor.replace(key, value) ?? editor.insert(`${key}: ${value}`);
}

/** Edits one mapping of a text. */
class Editor {
  readonly #text: string;
  readonly #name: string;
  readonly #path: readonly string[];
  readonly #entries: YamlPositions;
  /** The entry whose value the mapping is; the root has none. */
  readonly #mapping: EntryPosition | undefined;
  /** Where the lines start; the first behind a byte order mark. */
  readonly #lineStarts: readonly number[];
  /** Index of the brace that opens the mapping, if it is in flow style. */
  readonly #brace: number | undefined;

  constructor(text: string, path: readonly string[]) {
    this.#text = text;
    this.#name = path.join(".");
    this.#path = path;
    this.#entries = locateYaml(text);
    this.#mapping = this.#entries.get(path);
    this.#lineStarts = [
      text.startsWith(BOM) ? 1 : 0,
      ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1),
    ];
    if (path.length > 0 && this.#mapping === undefined) {
      throw new YamlEditError(`there is no ${this.#name}`);
    }
    const start = this.#mapping === undefined
      ? text.search(/[^\uFEFF\s]/)
      : this.#indexOf(this.#mapping.value);
    if (text[start] === "{") this.#brace = start;
  }

  /** The text with another value of a key; `undefined` if it has no such key. */
  replace(key: string, value: string): string | undefined {
    const entry = this.#entries.get([...this.#path, key]);
    if (entry === undefined) return undefined;
    const start = this.#indexOf(entry.value);
    if (isBelow(entry)) {
      // A key without a value.
      const colon = this.#text.indexOf(":", start);
      const line = this.#text.slice(start).search(/\n|$/) + start;
      if (colon < 0 || colon > line) throw new YamlEditError("a key has no colon");
      return this.#splice(colon + 1, colon + 1, ` ${value}`);
    }
    if ("*&!|>{[".includes(this.#text[start]!)) {
      throw new YamlEditError(`${this.#name} holds something else than a scalar`);
    }
    return this.#splice(start, this.#scalarEnd(start), value);
  }

  /** The text with one more entry. */
  insert(entry: string): string {
    if (this.#brace !== undefined) return this.#insertFlow(this.#brace, entry);
    const mapping = this.#mapping;
    if (mapping !== undefined && !isBelow(mapping)) {
      const start = this.#text[this.#indexOf(mapping.value)];
      if (start !== "&" && start !== "!") {
        throw new YamlEditError(`${this.#name} is not a mapping of its own`);
      }
    }
    const children = this.#entries.childrenOf(this.#path);
    const ownIndent = mapping === undefined ? 0 : mapping.key.column - 1 + INDENT;
    const indent = children[0] === undefined ? ownIndent : children[0].key.column - 1;
    const at = this.#lineAfter(children, indent) ??
      (mapping === undefined ? this.#lineStarts[0]! : this.#nextLine(mapping));
    const eol = this.#text.includes("\r\n") ? "\r\n" : "\n";
    const line = `${" ".repeat(indent)}${entry}`;
    // The last line may have no end.
    const isOpen = at > 0 && !["\n", BOM].includes(this.#text[at - 1]!);
    return this.#splice(at, at, isOpen ? `${eol}${line}` : `${line}${eol}`);
  }

  /** The line behind the last entry whose value is on the line of its key alone. */
  #lineAfter(children: readonly EntryPosition[], indent: number): number | undefined {
    const last = children.findLast((child) => {
      const next = this.#text.slice(this.#nextLine(child));
      const deeper = /^( *)[^\s#]/.exec(next)?.[1] ?? "";
      return !isBelow(child) && deeper.length <= indent;
    });
    return last && this.#nextLine(last);
  }

  #insertFlow(open: number, entry: string): string {
    const close = closingBrace(this.#text, open);
    if (close === undefined) throw new YamlEditError("a brace is not closed");
    const inner = this.#text.slice(open + 1, close).trimEnd();
    const end = open + 1 + inner.length;
    const isFirst = inner === "" || inner.endsWith(",");
    return this.#splice(end, end, isFirst ? ` ${entry}` : `, ${entry}`);
  }

  #scalarEnd(start: number): number {
    if (/["']/.test(this.#text[start]!)) {
      const close = closingQuote(this.#text, start);
      if (close === undefined) throw new YamlEditError("a quote is not closed");
      return close + 1;
    }
    const end = this.#brace === undefined ? /[\r\n]|\s#|$/ : /[\r\n,[\]{}]|\s#|$/;
    const rest = this.#text.slice(start);
    return start + rest.slice(0, rest.search(end)).trimEnd().length;
  }

  #indexOf({ line, column }: Position): number {
    return this.#lineStarts[line - 1]! + column - 1;
  }

  #nextLine({ key }: EntryPosition): number {
    return this.#lineStarts[key.line] ?? this.#text.length;
  }

  #splice(start: number, end: number, put: string): string {
    return this.#text.slice(0, start) + put + this.#text.slice(end);
  }
}

/** Whether a value is on later lines than its key, or there is none. */
function isBelow({ key, value }: EntryPosition): boolean {
  return key.line === value.line && key.column === value.column;
}

/** Index of the bracket that closes the one at an index. */
function closingBrace(text: string, open: number): number | undefined {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"' || char === "'") at = closingQuote(text, at) ?? text.length;
    else if (char === "#" && /\s/.test(text[at - 1] ?? "")) {
      at += text.slice(at).search(/\n|$/);
    } else if (char === "{" || char === "[") depth++;
    else if ((char === "}" || char === "]") && --depth === 0) return at;
  }
  return undefined;
}
