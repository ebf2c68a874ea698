import { RedisDatabase } from "../databases.ts";
import type { Layer, Located, ValueMap } from "../layer.ts";
import { DEFAULT_ORIGIN, type SourceName } from "../origin.ts";
import type { Setting } from "../schema/setting.ts";
import { DATABASE_SETTINGS, MANAGER_SETTINGS } from "../schema/settings.ts";

/** A value that counts, with what it won against. */
export interface Effective extends Located {
  /** What it overrode, nearest first. */
  readonly overrode: readonly Located[];
}

/** A value that one source gives, at the root or for one database. */
interface Candidate extends Located {
  /** The source. */
  readonly source: SourceName;
  /** Whether it is said of this database alone. */
  readonly own: boolean;
  /** Position in the order of all that is said: the lowest counts. */
  readonly rank: number;
}

/** Settings of which only one counts: the one that stands first. */
const RIVALS = [["host", "unixSocket"], ["password", "passwordFile"]] as const;

/** Settings that an alias takes over from what it is an alias of. */
const ENDPOINT_KEYS: ReadonlySet<string> = new Set(
  DATABASE_SETTINGS.filter(({ endpoint }) => endpoint).map(({ key }) => key),
);

/** Values of settings that nobody gave: the same for every database. */
const DEFAULTS: ReadonlyMap<string, Effective> = new Map(
  [...DATABASE_SETTINGS, ...MANAGER_SETTINGS]
    .filter((setting) => setting.default !== undefined)
    .map(({ key, default: value }) =>
      [key, { value, origin: DEFAULT_ORIGIN, overrode: [] }] as const
    ),
);

/** The database that a number for everybody is meant for. */
const MAIN = "main";

/**
 * Finds the value that counts for each setting of one database. Sources go by their
 * priority, and inside a source what it says of the database goes before what it says
 * of all.
 */
export class DatabaseView {
  /** The database whose number counts: the last one that is taken over, or itself. */
  readonly #numberName: string;
  readonly #candidates = new Map<string, Candidate[]>();
  #rank = 0;

  /**
   * Looks at one database.
   *
   * @param layers The sources, highest priority first.
   * @param name The database's name.
   * @param targets The databases whose endpoint it takes over, nearest first.
   */
  constructor(layers: readonly Layer[], name: string, targets: readonly string[] = []) {
    this.#numberName = targets.at(-1) ?? name;
    for (const { databases, root, source } of layers) {
      this.#add(databases.get(name), source, true);
      for (const target of targets) {
        this.#add(databases.get(target), source, true, ENDPOINT_KEYS);
      }
      this.#add(root, source, false);
    }
    this.#silenceRivals();
  }

  /**
   * The value that counts.
   *
   * @param setting The setting.
   * @returns The value with its origin; `undefined` where nobody set it and it has no
   * default.
   */
  find(setting: Setting): Effective | undefined {
    if (setting.key === "db") return this.#findDb();
    return withDefault(
      this.#candidates.get(setting.key) ?? [],
      DEFAULTS.get(setting.key),
    );
  }

  /**
   * Settings of which two that exclude each other stand at the same place.
   *
   * @returns The pairs, with the second one's value.
   */
  contradictions(): { keys: readonly [string, string]; at: Located }[] {
    return RIVALS.flatMap((keys) => {
      const [first, second] = keys.map((key) => this.#candidates.get(key)?.[0]);
      return first !== undefined && second !== undefined ? [{ keys, at: second }] : [];
    });
  }

  /**
   * What the environment says of all databases and a lower source says otherwise of
   * this one.
   *
   * @param key Path of the setting.
   * @returns Both values, if they differ.
   */
  overruled(key: string): { by: Located; own: Located } | undefined {
    const [by, ...rest] = this.#candidates.get(key) ?? [];
    if (by === undefined || by.own || by.source !== "environment") return undefined;
    const own = rest.find((candidate) => candidate.own);
    return own === undefined || sameValue(own.value, by.value) ? undefined : { by, own };
  }

  #add(
    values: ValueMap | undefined,
    source: SourceName,
    own: boolean,
    keys?: ReadonlySet<string>,
  ): void {
    if (values === undefined) return;
    const rank = this.#rank++;
    for (const [key, { value, origin }] of values) {
      if (keys !== undefined && !keys.has(key)) continue;
      const candidate = { value, origin, source, own, rank };
      const list = this.#candidates.get(key);
      if (list === undefined) this.#candidates.set(key, [candidate]);
      else list.push(candidate);
    }
  }

  /** A host that stands before a Unix socket makes the socket void, and so on. */
  #silenceRivals(): void {
    for (const [a, b] of RIVALS) {
      const first = this.#candidates.get(a)?.[0];
      const second = this.#candidates.get(b)?.[0];
      if (first === undefined || second === undefined || first.rank === second.rank) {
        continue;
      }
      this.#candidates.delete(first.rank < second.rank ? b : a);
    }
  }

  /**
   * The number: a number for everybody would put all databases into one, so it is
   * main's, and that of databases that have no number otherwise.
   */
  #findDb(): Effective | undefined {
    const all = this.#candidates.get("db") ?? [];
    const number = this.#isCluster() ? undefined : numberOf(this.#numberName);
    const fallback = number === undefined
      ? DEFAULTS.get("db")
      : { value: number, origin: DEFAULT_ORIGIN, overrode: [] };
    if (this.#numberName === MAIN) return withDefault(all, fallback);
    const own = all.filter((candidate) => candidate.own);
    const counts = own.length > 0 || number !== undefined ? own : all;
    return withDefault(counts, fallback);
  }

  #isCluster(): boolean {
    return this.#candidates.get("mode")?.[0]?.value === "cluster";
  }
}

function withDefault(
  found: readonly Located[],
  fallback: Effective | undefined,
): Effective | undefined {
  const [first, ...rest] = found;
  if (first === undefined) return fallback;
  const overrode = fallback === undefined ? rest : [...rest, fallback];
  return { value: first.value, origin: first.origin, overrode };
}

/**
 * The number of a name of `RedisDatabase`.
 *
 * @param name The database's name, in small letters.
 * @returns Its number, if it is one of the 18.
 */
export function numberOf(name: string): number | undefined {
  const key = name.toUpperCase();
  if (name !== name.toLowerCase() || !Object.hasOwn(RedisDatabase, key)) return undefined;
  const value: unknown = RedisDatabase[key as keyof typeof RedisDatabase];
  return typeof value === "number" ? value : undefined;
}

/** The 18 names of `RedisDatabase`, in small letters. */
export function knownNames(): string[] {
  return Object.keys(RedisDatabase).filter((key) => !/^\d+$/.test(key)).map((key) =>
    key.toLowerCase()
  );
}

/**
 * The value of one of the manager's settings.
 *
 * @param layers The sources, highest priority first.
 * @param setting The setting.
 * @returns The value with its origin, if there is one.
 */
export function findManagerValue(
  layers: readonly Layer[],
  setting: Setting,
): Effective | undefined {
  const found = layers.flatMap(({ root }) => root.get(setting.key) ?? []);
  return withDefault(found, DEFAULTS.get(setting.key));
}

function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a === "object" && a !== null && "equals" in a) {
    return typeof a.equals === "function" && a.equals(b) === true;
  }
  return a === b;
}
