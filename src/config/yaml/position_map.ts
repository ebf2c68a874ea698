import type { Position } from "./cursor.ts";

/** Where one entry of a YAML mapping or list stands. */
export interface EntryPosition {
  /** Its key. */
  readonly key: Position;
  /** Its value; where the value is a block on later lines, its key. */
  readonly value: Position;
  /** Whether the value is in quotes, so that `'null'` is a text. */
  readonly quoted: boolean;
}

/** Deepest nesting whose positions are kept; no setting is deeper than 5. */
export const MAX_DEPTH = 32;

/** Positions of entries by their path. */
export class PositionMap {
  readonly #entries = new Map<string, EntryPosition>();
  #duplicate: { position: Position; path: readonly string[] } | undefined;
  #tooDeep: { position: Position; path: readonly string[] } | undefined;

  /** The first place that is nested deeper than positions are kept. */
  get tooDeep(): { position: Position; path: readonly string[] } | undefined {
    return this.#tooDeep;
  }

  /** The first key that its mapping has already. */
  get duplicate(): { position: Position; path: readonly string[] } | undefined {
    return this.#duplicate;
  }

  /**
   * The position of an entry.
   *
   * @param path Keys and list indexes from the root.
   * @returns Its position; that of the nearest entry around it when it has none.
   */
  find(path: readonly string[]): EntryPosition | undefined {
    for (let length = path.length; length > 0; length--) {
      const found = this.#entries.get(pathKey(path.slice(0, length)));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * The position of exactly this entry.
   *
   * @param path Keys and list indexes from the root.
   * @returns Its position, if it has one.
   */
  get(path: readonly string[]): EntryPosition | undefined {
    return this.#entries.get(pathKey(path));
  }

  /**
   * The entries that stand directly in a mapping or list.
   *
   * @param path Keys and list indexes from the root; empty for the root itself.
   * @returns Their positions, in their order.
   */
  childrenOf(path: readonly string[]): EntryPosition[] {
    const prefix = path.map((key) => `${key}\0`).join("");
    return [...this.#entries]
      .filter(([key]) =>
        key.startsWith(prefix) && !key.slice(prefix.length).includes("\0")
      )
      .map(([, entry]) => entry);
  }

  /**
   * Notes where an entry stands.
   *
   * @param path Keys and list indexes from the root.
   * @param entry Its position.
   */
  set(path: readonly string[], entry: EntryPosition): void {
    if (path.length <= MAX_DEPTH) this.#entries.set(pathKey(path), entry);
  }

  /**
   * Notes where a key of a mapping stands, and whether the mapping has it already.
   *
   * @param path Keys and list indexes from the root.
   * @param entry Its position.
   */
  add(path: readonly string[], entry: EntryPosition): void {
    if (this.get(path) !== undefined) this.#duplicate ??= { position: entry.key, path };
    this.set(path, entry);
  }

  /**
   * Notes where nesting gets deeper than positions are kept.
   *
   * @param path Keys and list indexes from the root to the deepest one kept.
   * @param position Where.
   */
  noteTooDeep(path: readonly string[], position: Position): void {
    this.#tooDeep ??= { position, path };
  }

  /**
   * The last entry that starts at or before a line.
   *
   * @param line The line, from 1.
   * @returns Its path, if there is one.
   */
  pathAt(line: number): readonly string[] | undefined {
    let best: string | undefined;
    let bestLine = 0;
    for (const [path, { key }] of this.#entries) {
      if (key.line > line || key.line < bestLine) continue;
      best = path;
      bestLine = key.line;
    }
    return best?.split("\0");
  }
}

function pathKey(path: readonly string[]): string {
  return path.join("\0");
}
