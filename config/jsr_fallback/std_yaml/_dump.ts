import type { Schema } from "./_schema.ts";
import type { KindType, StyleVariant, Type } from "./_type.ts";
import { writeScalar } from "./_write_scalar.ts";

/** How a value is to be written; what each means stands at `StringifyOptions`. */
export interface DumpOptions {
  schema: Schema;
  indent?: number | undefined;
  arrayIndent?: boolean | undefined;
  skipInvalid?: boolean | undefined;
  flowLevel?: number | undefined;
  styles?: Record<string, StyleVariant> | undefined;
  sortKeys?: boolean | ((a: string, b: string, depth: number) => number) | undefined;
  lineWidth?: number | undefined;
  useAnchors?: boolean | undefined;
  compatMode?: boolean | undefined;
  condenseFlow?: boolean | undefined;
  quoteStyle?: "'" | '"' | undefined;
}

/** Where a node is to be written. */
interface Place {
  level: number;
  /** Whether block style is allowed. */
  block: boolean;
  /** Whether a block collection may begin in the line where it is written. */
  compact: boolean;
  isKey: boolean;
}

/** The longest key that is written without a mark of its own, in UTF-16 units. */
const LONGEST_IMPLICIT_KEY = 1024;

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** The objects that are found more than once, in the order in which that is noticed. */
function findRepeated(root: unknown): object[] {
  const seen = new Set<object>();
  const repeated = new Set<object>();
  const queue: unknown[] = [root];
  for (const value of queue) {
    if (!isObject(value)) continue;
    if (seen.has(value)) {
      repeated.add(value);
      continue;
    }
    seen.add(value);
    for (const child of Object.values(value)) queue.push(child);
  }
  return [...repeated];
}

function isWrittenTag(tag: string | undefined): tag is string {
  return tag !== undefined && tag !== "?";
}

/** Writes one value, and all that is in it. */
export class Dumper {
  readonly #schema: Schema;
  readonly #indent: number;
  readonly #arrayIndent: boolean;
  readonly #skipInvalid: boolean;
  readonly #flowLevel: number;
  readonly #styles: ReadonlyMap<string, StyleVariant>;
  readonly #sortKeys: boolean | ((a: string, b: string, depth: number) => number);
  readonly #lineWidth: number;
  readonly #useAnchors: boolean;
  readonly #compatMode: boolean;
  readonly #condenseFlow: boolean;
  readonly #quoteStyle: "'" | '"';
  #repeated: object[] = [];
  readonly #anchored = new Set<object>();

  constructor(options: DumpOptions) {
    this.#schema = options.schema;
    this.#indent = Math.max(1, options.indent ?? 2);
    this.#arrayIndent = options.arrayIndent ?? true;
    this.#skipInvalid = options.skipInvalid ?? false;
    this.#flowLevel = options.flowLevel ?? -1;
    this.#styles = new Map(
      Object.entries(options.styles ?? {})
        .map(([tag, style]) => [tag.replace(/^!!/, "tag:yaml.org,2002:"), style]),
    );
    this.#sortKeys = options.sortKeys ?? false;
    this.#lineWidth = options.lineWidth ?? 80;
    this.#useAnchors = options.useAnchors ?? true;
    this.#compatMode = options.compatMode ?? true;
    this.#condenseFlow = options.condenseFlow ?? false;
    this.#quoteStyle = options.quoteStyle ?? "'";
  }

  /** Writes a document; "" for a value that cannot be written and may be skipped. */
  dump(value: unknown): string {
    this.#repeated = this.#useAnchors ? findRepeated(value) : [];
    const text = this.#node(value, {
      level: 0,
      block: true,
      compact: true,
      isKey: false,
    });
    return text === undefined ? "" : `${text}\n`;
  }

  /** Writes a node, or nothing for one that cannot be written and may be skipped. */
  #node(value: unknown, place: Place): string | undefined {
    const type = this.#typeOf(value);
    const tag = type && (this.#isImplicit(type) ? "?" : type.tag);
    const shown = type ? this.#represent(type, value) : value;
    const text = this.#untagged(shown, tag, place);
    return text !== undefined && isWrittenTag(tag) ? `!<${tag}> ${text}` : text;
  }

  #untagged(value: unknown, tag: string | undefined, place: Place): string | undefined {
    if (typeof value === "string" || value instanceof String) {
      const text = value.valueOf();
      return tag === "?" ? text : this.#scalar(text, place);
    }
    if (isObject(value)) return this.#collection(value, tag, place);
    if (this.#skipInvalid) return undefined;
    throw new TypeError(`Cannot stringify ${typeof value}`);
  }

  #typeOf(value: unknown): Type<KindType> | undefined {
    const { implicit, explicit } = this.#schema;
    return [...implicit, ...explicit].find((type) => type.predicate?.(value));
  }

  #isImplicit(type: Type<KindType>): boolean {
    return this.#schema.implicit.some((implicit) => implicit === type);
  }

  #represent(type: Type<KindType>, value: unknown): unknown {
    if (!type.represent) return value;
    const style = this.#styles.get(type.tag) ?? type.defaultStyle;
    if (typeof type.represent === "function") return type.represent(value, style);
    const represent = style && type.represent[style];
    if (!represent) {
      throw new TypeError(`!<${type.tag}> tag resolver accepts not "${style}" style`);
    }
    return represent(value, style);
  }

  #scalar(text: string, { level, isKey }: Place): string {
    return writeScalar(text, {
      indent: this.#indent,
      level,
      singleLine: isKey || (this.#flowLevel > -1 && level >= this.#flowLevel),
      lineWidth: this.#lineWidth,
      compatMode: this.#compatMode,
      quoteStyle: this.#quoteStyle,
      implicitTypes: this.#schema.implicit,
    });
  }

  #collection(value: object, tag: string | undefined, place: Place): string {
    const index = this.#repeated.indexOf(value);
    const repeated = index !== -1;
    if (repeated && this.#anchored.has(value)) return `*ref_${index}`;
    if (repeated) this.#anchored.add(value);
    const { level } = place;
    const isArray = Array.isArray(value);
    const inner = isArray && !this.#arrayIndent && level > 0 ? level - 1 : level;
    const size = isArray ? value.length : Object.keys(value).length;
    const block = place.block && size > 0 &&
      (this.#flowLevel < 0 || this.#flowLevel > level);
    const compact = place.compact && !isWrittenTag(tag) && !repeated &&
      (this.#indent === 2 || level === 0);
    const text = block
      ? this.#block(value, { tag, level: inner, compact })
      : this.#flow(value, inner);
    if (!repeated) return text;
    return `&ref_${index}${block ? "" : " "}${text}`;
  }

  #block(
    value: object,
    at: { tag: string | undefined; level: number; compact: boolean },
  ): string {
    const entries = Array.isArray(value)
      ? this.#blockItems(value, at.level)
      : this.#blockPairs(value, at);
    if (entries.length === 0) return Array.isArray(value) ? "[]" : "{}";
    const line = this.#newLine(at.level);
    return (at.compact ? "" : line) + entries.join(line);
  }

  #newLine(level: number): string {
    return `\n${" ".repeat(this.#indent * level)}`;
  }

  #blockItems(items: unknown[], level: number): string[] {
    const place = { level: level + 1, block: true, compact: true, isKey: false };
    return Array.from(items, (item) => this.#node(item, place))
      .filter((text) => text !== undefined)
      .map((text) => text.startsWith("\n") ? `-${text}` : `- ${text}`);
  }

  #blockPairs(
    value: object,
    { tag, level }: { tag: string | undefined; level: number },
  ): string[] {
    const pairs: string[] = [];
    const place = { level: level + 1, block: true, compact: true, isKey: false };
    for (const name of this.#keys(value, level)) {
      const key = this.#node(name, { ...place, isKey: true });
      if (key === undefined) continue;
      const explicit = isWrittenTag(tag) || key.length > LONGEST_IMPLICIT_KEY;
      const text = this.#node(Reflect.get(value, name), { ...place, compact: explicit });
      if (text === undefined) continue;
      const head = explicit ? `? ${key}${this.#newLine(level)}` : key;
      pairs.push(text.startsWith("\n") ? `${head}:${text}` : `${head}: ${text}`);
    }
    return pairs;
  }

  #keys(value: object, depth: number): string[] {
    const keys = Object.keys(value);
    const order = this.#sortKeys;
    if (order === false) return keys;
    if (order === true) return keys.sort();
    if (typeof order === "function") return keys.sort((a, b) => order(a, b, depth));
    throw new TypeError(
      `"sortKeys" must be a boolean or a function: received ${typeof order}`,
    );
  }

  #flow(value: object, level: number): string {
    const place = { level, block: false, compact: false, isKey: false };
    if (Array.isArray(value)) {
      return `[${
        Array.from(value, (item) => this.#node(item, place))
          .filter((text) => text !== undefined)
          .join(this.#condenseFlow ? "," : ", ")
      }]`;
    }
    const pairs: string[] = [];
    for (const [name, item] of Object.entries(value)) {
      const key = this.#node(name, place);
      const text = key === undefined ? undefined : this.#node(item, place);
      if (key === undefined || text === undefined) continue;
      const head = key.length > LONGEST_IMPLICIT_KEY ? `? ${key}` : key;
      pairs.push(this.#condenseFlow ? `"${head}":${text}` : `${head}: ${text}`);
    }
    return `{${pairs.join(", ")}}`;
  }
}
