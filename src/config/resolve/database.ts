import { type ConfigProblem, nearest } from "../../core/errors/base.ts";
import { Secret } from "../../core/secret.ts";
import { KNOWN_NUMBERS } from "../databases.ts";
import {
  DEFAULT_ORIGIN,
  type Effective,
  type EffectiveValues,
  type Layer,
  type Located,
  type Origin,
  type ValueMap,
} from "../layer.ts";
import { problemAt, wordingOf } from "../messages.ts";
import { DATABASE_SETTINGS, MANAGER_SETTINGS, type Setting } from "../names.ts";
import type { RedisConfig } from "../settings.ts";
import { warnIfReadableByOthers } from "../sources/files.ts";
import { checkDatabase, type Overruled, type Refuse } from "./checks.ts";
import { passwordFromFile } from "./credential_files.ts";

/** One resolved database. */
export interface BuiltDatabase {
  /** The database; not to be used if there are problems. */
  readonly config: RedisConfig;
  readonly values: EffectiveValues;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly string[];
  /** Where a value for all databases replaces this one's own. */
  readonly overruled: readonly Overruled[];
}

/** Settings that a variable for all should not silently take from one database. */
const GUARDED = ["host", "port", "unixSocket", "username", "password"];

/** Settings of which only one counts: the one with the higher priority. */
const RIVALS = [["host", "unixSocket"], ["password", "passwordFile"]] as const;

/** Settings that only set others. */
const WRITTEN_ONLY: ReadonlySet<string> = new Set(["url", "passwordFile"]);

/** Settings that an alias takes over from its target. */
const ENDPOINT_KEYS: ReadonlySet<string> = new Set(
  DATABASE_SETTINGS.filter(({ endpoint }) => endpoint).map(({ key }) => key),
);

/** The defaults: the same for every database. */
const DEFAULTS: EffectiveValues = new Map(
  [...DATABASE_SETTINGS, ...MANAGER_SETTINGS]
    .filter((setting) => setting.default !== undefined)
    .map(({ key, default: value }) => [key, defaultOf(value)]),
);

/** The database that a number for every database is meant for. */
const MAIN = "main";

function defaultOf(value: unknown): Effective {
  return { value, origin: DEFAULT_ORIGIN, overrode: [] };
}

/**
 * Resolves one database.
 *
 * @param layers The sources, highest priority first.
 * @param names The names of all databases, for `alias_of`.
 */
export function buildDatabase(
  layers: readonly Layer[],
  name: string,
  names: ReadonlySet<string>,
): BuiltDatabase {
  const problems: ConfigProblem[] = [];
  const refuse = (origin: Origin, key: string, message: string): void => {
    problems.push(problemAt(layers, name, key, origin, message));
  };
  const targets = aliasTargets(layers, name, names, refuse);
  const candidates = findCandidates(layers, name, targets);
  for (const pair of RIVALS) resolveRivals(candidates, pair, refuse);
  const values = new Map<string, Effective>();
  for (const { key } of DATABASE_SETTINGS) {
    const found = key === "db"
      ? findNumber(candidates, targets.at(-1) ?? name)
      : withDefault(candidates.get(key) ?? [], DEFAULTS.get(key));
    if (found !== undefined) values.set(key, found);
  }
  turnNearCacheOn(values);
  const secretFiles: string[] = [];
  const file = values.get("passwordFile");
  if (typeof file?.value === "string") {
    const read = passwordFromFile(file.value, file.origin);
    if (typeof read === "string") refuse(file.origin, "passwordFile", read);
    else {
      values.set("password", { ...file, value: read });
      secretFiles.push(file.value);
    }
  }
  const config = configOf(name, values);
  if (config.tls.enabled && config.tls.keyFile !== undefined) {
    secretFiles.push(config.tls.keyFile);
  }
  const warnings = [
    ...secretFiles.flatMap((path) => warnIfReadableByOthers(path) ?? []),
    ...checkDatabase(config, values, refuse),
  ];
  const overruled = GUARDED.flatMap((key) => findOverruled(key, candidates.get(key)));
  return { config: deepFreeze(config), values, problems, warnings, overruled };
}

/** Entries of a near cache of which something else is set. */
const NEAR_CACHE_ENTRIES = 10_000;

/** A near cache of which anything is set is on. */
function turnNearCacheOn(values: Map<string, Effective>): void {
  const isSet = (key: string) =>
    values.get(`nearCache.${key}`)?.origin !== DEFAULT_ORIGIN;
  if (isSet("maxEntries") || !["maxBytes", "ttlMs", "prefixes"].some(isSet)) return;
  values.set("nearCache.maxEntries", defaultOf(NEAR_CACHE_ENTRIES));
}

/** The databases whose endpoint a database takes over, nearest first. */
function aliasTargets(
  layers: readonly Layer[],
  name: string,
  names: ReadonlySet<string>,
  refuse: Refuse,
): string[] {
  const targets: string[] = [];
  let current = name;
  while (true) {
    // An alias is only ever given for one database, never for all.
    const found = layers.map(({ databases }) => databases.get(current)?.get("aliasOf"))
      .find((one) => one !== undefined);
    const target = found?.value;
    if (found === undefined || typeof target !== "string") return targets;
    if (!names.has(target)) {
      const meant = nearest(target, [...names].filter((other) => other !== name));
      const hint = meant === undefined ? "" : `; did you mean "${meant}"?`;
      refuse(found.origin, "aliasOf", `there is no database "${target}"${hint}`);
      return targets;
    }
    if (target === name || targets.includes(target)) {
      refuse(found.origin, "aliasOf", `"${target}" leads back to itself`);
      return targets;
    }
    targets.push(target);
    current = target;
  }
}

/** A value that one source gives, at the root or for one database. */
interface Candidate extends Located {
  /** Whether it is given for this database alone. */
  readonly own: boolean;
  /** Its place in the order of priority: the lowest counts. */
  readonly rank: number;
}

/** The values that may count, highest priority first. */
type Candidates = Map<string, Candidate[]>;

/**
 * The values that may count for one database. Sources go by their priority, and inside a
 * source the values for the database go before those for all.
 */
function findCandidates(
  layers: readonly Layer[],
  name: string,
  targets: readonly string[],
): Candidates {
  const candidates: Candidates = new Map();
  let rank = 0;
  for (const { databases, root } of layers) {
    const add = (
      values: ValueMap | undefined,
      own: boolean,
      keys?: typeof ENDPOINT_KEYS,
    ) => {
      rank++;
      for (const [key, { value, origin }] of values ?? []) {
        if (keys !== undefined && !keys.has(key)) continue;
        const list = candidates.get(key) ?? [];
        candidates.set(key, list);
        list.push({ value, origin, own, rank });
      }
    };
    add(databases.get(name), true);
    for (const target of targets) add(databases.get(target), true, ENDPOINT_KEYS);
    add(root, false);
  }
  return candidates;
}

/** Removes the one of two settings with the lower priority; equals are a problem. */
function resolveRivals(
  candidates: Candidates,
  [a, b]: readonly [string, string],
  refuse: Refuse,
): void {
  const first = candidates.get(a)?.[0];
  const second = candidates.get(b)?.[0];
  if (first === undefined || second === undefined) return;
  if (first.rank !== second.rank) {
    candidates.delete(first.rank < second.rank ? b : a);
    return;
  }
  const { name } = wordingOf(second.origin);
  refuse(second.origin, b, `${name(a)} and ${name(b)} are both given; leave one out`);
}

/**
 * The number of a database. A number for every database would put all into one: it is
 * that of main, and of databases that have no number otherwise.
 *
 * @param name The database whose number counts.
 */
function findNumber(candidates: Candidates, name: string): Effective | undefined {
  const all = candidates.get("db") ?? [];
  const isCluster = candidates.get("mode")?.[0]?.value === "cluster";
  const number = isCluster ? undefined : KNOWN_NUMBERS.get(name);
  const fallback = number === undefined ? DEFAULTS.get("db") : defaultOf(number);
  const own = all.filter((candidate) => candidate.own);
  const isShared = name === MAIN || (own.length === 0 && number === undefined);
  return withDefault(isShared ? all : own, fallback);
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

/** The value of one of the manager's settings, if there is one. */
export function findManagerValue(
  layers: readonly Layer[],
  { key }: Setting,
): Effective | undefined {
  const found = layers.flatMap(({ root }) => root.get(key) ?? []);
  return withDefault(found, DEFAULTS.get(key));
}

/** A variable for all databases that replaces another value of this one. */
function findOverruled(key: string, candidates: readonly Candidate[] = []): Overruled[] {
  const [by, ...rest] = candidates;
  if (by === undefined || by.own || by.origin.source !== "environment") return [];
  const own = rest.find((candidate) => candidate.own);
  return own === undefined || isSame(own.value, by.value) ? [] : [{ key, by, own }];
}

function isSame(a: unknown, b: unknown): boolean {
  return a instanceof Secret && b instanceof Secret ? a.equals(b) : a === b;
}

function configOf(name: string, values: EffectiveValues): RedisConfig {
  const config: Record<string, unknown> = { name };
  for (const [key, { value }] of values) {
    if (WRITTEN_ONLY.has(key)) continue;
    // Lists are copied: freezing must not reach the caller's.
    setAt(config, key, Array.isArray(value) ? value.map(copyItem) : value);
  }
  if (config.mode === "cluster" && (config.nodes as unknown[]).length === 0) {
    config.nodes = [{ host: config.host, port: config.port }];
  }
  // The table of settings is typed by the interface.
  return config as unknown as RedisConfig;
}

function copyItem(item: unknown): unknown {
  return typeof item === "object" ? { ...item } : item;
}

/** Sets a value at a path such as `tls.caFile`. */
export function setAt(
  target: Record<string, unknown>,
  path: string,
  value: unknown,
): void {
  const [group, member] = path.split(".") as [string, string?];
  if (member === undefined) target[group] = value;
  else ((target[group] ??= {}) as Record<string, unknown>)[member] = value;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
