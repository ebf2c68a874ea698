import { type ConfigProblem, nearest } from "../../core/errors/base.ts";
import { Secret } from "../../core/secret.ts";
import type { Layer, Located } from "../layer.ts";
import { formatPosition, type Origin } from "../origin.ts";
import { DATABASE_SETTINGS } from "../schema/settings.ts";
import { warnIfReadableByOthers } from "../sources/files.ts";
import type { RedisConfig } from "../types.ts";
import { checkDatabase, type EffectiveValues } from "./check_database.ts";
import { DatabaseView, type Effective } from "./effective.ts";
import { deepFreeze } from "./freeze.ts";
import { passwordFromFile } from "./password_file.ts";
import { firstSet, wordsOf, writtenPath } from "./words.ts";

/** One resolved database, with what was found while resolving it. */
export interface BuiltDatabase {
  /** The database; not to be used when there are problems. */
  readonly config: RedisConfig;
  /** Its values with their origins. */
  readonly values: EffectiveValues;
  /** What is wrong. */
  readonly problems: readonly ConfigProblem[];
  /** What is allowed but probably not meant. */
  readonly warnings: readonly string[];
  /** Where a variable for all replaces what is said of this database. */
  readonly overruled: readonly Overruled[];
}

/** A value for all that replaces a database's own. */
export interface Overruled {
  /** Path of the setting. */
  readonly key: string;
  /** The value for all. */
  readonly by: Located;
  /** The database's own. */
  readonly own: Located;
}

/** Settings that a variable for all should not silently take from one database. */
const GUARDED = ["host", "port", "unixSocket", "username", "password"] as const;

/** Settings that are only ways to write others. */
const WRITTEN_ONLY: ReadonlySet<string> = new Set(["url", "passwordFile"]);

/**
 * Resolves one database.
 *
 * @param layers The sources, highest priority first.
 * @param name The database's name.
 * @param names All names that there are, for `alias_of`.
 * @returns The database with what was found.
 */
export function buildDatabase(
  layers: readonly Layer[],
  name: string,
  names: ReadonlySet<string>,
): BuiltDatabase {
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const refuse = (origin: Origin, key: string, message: string): void => {
    problems.push({
      origin: formatPosition(origin),
      key: writtenPath(layers, name, key, origin),
      message,
    });
  };
  const targets = aliasTargets(layers, name, names, refuse);
  const view = new DatabaseView(layers, name, targets);
  const values = new Map<string, Effective>();
  for (const setting of DATABASE_SETTINGS) {
    const found = view.find(setting);
    if (found !== undefined) values.set(setting.key, found);
  }
  for (const { keys, at } of view.contradictions()) {
    const [first, second] = keys.map((key) => wordsOf(at.origin).name(key));
    refuse(at.origin, keys[1], `${first} and ${second} are both given; leave one out`);
  }
  readPasswordFile(values, refuse, warnings);
  const config = assemble(name, values);
  const findings = checkDatabase(config, values);
  for (const { key, beside, message } of findings.refused) {
    const origin = firstSet(values, [key, beside]);
    refuse(origin, key, message(wordsOf(origin)));
  }
  warnings.push(...findings.warnings, ...keyFileWarnings(config));
  const overruled = GUARDED.flatMap((key) => {
    const found = view.overruled(key);
    return found === undefined ? [] : [{ key, ...found }];
  });
  return { config: deepFreeze(config), values, problems, warnings, overruled };
}

type Refuse = (origin: Origin, key: string, message: string) => void;

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
    const found = aliasOf(layers, current);
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

/** An alias is only ever said of one database, never of all. */
function aliasOf(layers: readonly Layer[], name: string): Located | undefined {
  for (const { databases } of layers) {
    const found = databases.get(name)?.get("aliasOf");
    if (found !== undefined) return found;
  }
  return undefined;
}

function readPasswordFile(
  values: Map<string, Effective>,
  refuse: Refuse,
  warnings: string[],
): void {
  const file = values.get("passwordFile");
  if (file === undefined || typeof file.value !== "string") return;
  const read = passwordFromFile(file.value, file.origin);
  if (!read.ok) return refuse(file.origin, "passwordFile", read.message);
  values.set("password", { ...file, value: read.secret });
  const warning = warnIfReadableByOthers(file.value);
  if (warning !== undefined) warnings.push(warning);
}

function keyFileWarnings({ tls }: RedisConfig): string[] {
  if (!tls.enabled || tls.keyFile === undefined) return [];
  const warning = warnIfReadableByOthers(tls.keyFile);
  return warning === undefined ? [] : [warning];
}

function assemble(name: string, values: EffectiveValues): RedisConfig {
  const config: Record<string, unknown> = { name };
  for (const [key, { value }] of values) {
    if (WRITTEN_ONLY.has(key)) continue;
    const [group, member] = key.split(".") as [string, string?];
    if (member === undefined) config[group] = copy(value);
    else {
      const members = (config[group] ??= {}) as Record<string, unknown>;
      members[member] = value;
    }
  }
  if (config.mode === "cluster" && (config.nodes as unknown[]).length === 0) {
    config.nodes = [{ host: config.host, port: config.port }];
  }
  // The settings' table and the interface are held together by a test of both.
  return config as unknown as RedisConfig;
}

/** Lists are copied: freezing must not reach what the caller gave. */
function copy(value: unknown): unknown {
  if (!Array.isArray(value) || value instanceof Secret) return value;
  return value.map((item) => ({ ...item }));
}
