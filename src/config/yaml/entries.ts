import type { Entry } from "../read_settings.ts";

/** Most entries that are looked at; one that aliases repeat counts each time. */
const MAX_ENTRIES = 50_000;
/** Deepest chain of merges. */
const MAX_MERGE_DEPTH = 8;

/** A document has too many entries, or merges too deep, when aliases are followed. */
export class YamlBudgetError extends Error {
  /** The mapping at which it was found. */
  readonly path: readonly string[];

  constructor(message: string, path: readonly string[]) {
    super(message);
    this.path = path;
  }
}

/**
 * Gives the entries of YAML mappings, merge keys (`<<`) resolved, and counts them: a
 * few aliases of aliases can stand for billions of entries.
 */
export class YamlEntries {
  #left = MAX_ENTRIES;

  /**
   * The entries of a mapping.
   *
   * @param value The value.
   * @param path Its path.
   * @returns The entries, its own first; `undefined` if it is no mapping.
   * @throws {YamlBudgetError} If the document is too large with its aliases.
   */
  of(value: unknown, path: readonly string[]): Entry[] | undefined {
    if (!isMapping(value)) return undefined;
    const entries = new Map<string, Entry>();
    this.#collect(value, path, entries, 0);
    return [...entries.values()];
  }

  #collect(
    mapping: Record<string, unknown>,
    path: readonly string[],
    into: Map<string, Entry>,
    depth: number,
  ): void {
    if (depth > MAX_MERGE_DEPTH) {
      throw new YamlBudgetError(
        `merge keys are nested deeper than ${MAX_MERGE_DEPTH}`,
        path,
      );
    }
    const keys = Object.keys(mapping);
    this.#left -= keys.length + 1;
    if (this.#left < 0) {
      throw new YamlBudgetError(
        `found more than ${MAX_ENTRIES} entries, those behind aliases counted each time`,
        path,
      );
    }
    for (const key of keys) {
      if (key === "<<" && isMergeable(mapping[key])) continue;
      if (!into.has(key)) {
        into.set(key, { key, value: mapping[key], path: [...path, key] });
      }
    }
    const merged = Object.hasOwn(mapping, "<<") ? mapping["<<"] : undefined;
    if (!isMergeable(merged)) return;
    for (const source of Array.isArray(merged) ? merged : [merged]) {
      this.#collect(source, [...path, "<<"], into, depth + 1);
    }
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type Mergeable = Record<string, unknown> | Record<string, unknown>[];

function isMergeable(value: unknown): value is Mergeable {
  return Array.isArray(value) ? value.every(isMapping) : isMapping(value);
}
