import { type Dialect, isDatabaseName, type SettingKind } from "./kinds.ts";
import { BEHAVIOR, ENDPOINT, MANAGER, type Row } from "./settings.ts";

/** One setting: its names, range and default. */
export interface Setting {
  /** Path in code, such as `connectRetry.minMs`. */
  readonly key: string;
  /** Path in YAML, such as `connect_retry.min`. */
  readonly yaml: string;
  /** Other names in YAML. */
  readonly aliases: readonly string[];
  /** What it may hold. */
  readonly kind: SettingKind;
  /** Its default in code (durations in ms); `undefined` if there is none. */
  readonly default: unknown;
  /** Whether it belongs to the endpoint, which an alias takes over. */
  readonly endpoint: boolean;
}

/** The name in YAML of a path in code: `connectRetry.minMs` is `connect_retry.min`. */
export function yamlName(key: string): string {
  return key.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A default as YAML writes it, durations in seconds; empty if there is none. */
export function yamlDefault({ default: value, kind }: Setting): string {
  if (value === undefined) return "";
  if (kind.type === "duration") return String(Number(value) / 1000);
  return typeof value === "object" || value === ""
    ? JSON.stringify(value)
    : String(value);
}

function settingsOf(table: object, endpoint: boolean, prefix = ""): Setting[] {
  return Object.entries(table).flatMap(([name, entry]: [string, Row | object]) => {
    const key = `${prefix}${name}`;
    if (!("kind" in entry)) return settingsOf(entry, endpoint, `${key}.`);
    const { yaml = yamlName(key), aliases = [], kind } = entry;
    return [{ key, yaml, aliases, kind, default: entry.default, endpoint }];
  });
}

/** Settings of a database; at the root they are the defaults of every database. */
export const DATABASE_SETTINGS: readonly Setting[] = [
  ...settingsOf(ENDPOINT, true),
  ...settingsOf(BEHAVIOR, false),
];

/** Settings of the manager: at the root only. */
export const MANAGER_SETTINGS: readonly Setting[] = settingsOf(MANAGER, false);

/** Settings of one database only, never defaults of all. */
export const PER_DATABASE_ONLY: ReadonlySet<string> = new Set(["aliasOf", "description"]);

/** Root keys of files written for the Python original that have no effect, and why. */
export const LEGACY_KEYS: ReadonlyMap<string, string> = new Map([
  ["log_commands", "commands are never logged; OpenTelemetry spans show them"],
  ["log_level", "the level is a setting of the injected logger"],
]);

/** Prefix of root keys that hold templates for anchors, as in a Compose file. */
export const TEMPLATE_PREFIX = "x-";

/** The two names of the map of databases in YAML. */
export const DATABASES_KEYS: readonly string[] = ["redis_databases", "databases"];

/** Settings that are written as a mapping of their own, such as `tls`, by name. */
export interface SettingGroup {
  readonly members: ReadonlyMap<string, Setting>;
}

/** What a key at one level may name. */
export type SettingNames = ReadonlyMap<string, Setting | SettingGroup>;

/** Whether a name is that of a group. */
export function isGroup(entry: Setting | SettingGroup): entry is SettingGroup {
  return "members" in entry;
}

function indexNames(settings: readonly Setting[], dialect: Dialect): SettingNames {
  const names = new Map<string, Setting | SettingGroup>();
  const groups = new Map<string, Map<string, Setting>>();
  for (const setting of settings) {
    if (dialect === "yaml" && setting.kind.type === "function") continue;
    const path = dialect === "yaml" ? setting.yaml : setting.key;
    const [first, member] = path.split(".") as [string, string?];
    if (member === undefined) {
      names.set(first, setting);
      if (dialect === "yaml") {
        for (const alias of setting.aliases) names.set(alias, setting);
      }
      continue;
    }
    const members = groups.get(first) ?? new Map<string, Setting>();
    groups.set(first, members.set(member, setting));
    names.set(first, { members });
  }
  return names;
}

const ALL_SETTINGS = [...DATABASE_SETTINGS, ...MANAGER_SETTINGS];
const ROOT_SETTINGS = ALL_SETTINGS.filter(({ key }) => !PER_DATABASE_ONLY.has(key));

/** Made when first asked for: most programs need those of one dialect. */
const namesByLevel = new Map<string, SettingNames>();

/** The names that the root, or a database, knows. */
export function settingNames(dialect: Dialect, level: "root" | "database"): SettingNames {
  const key = `${dialect} ${level}`;
  let found = namesByLevel.get(key);
  if (found === undefined) {
    found = indexNames(level === "root" ? ROOT_SETTINGS : DATABASE_SETTINGS, dialect);
    namesByLevel.set(key, found);
  }
  return found;
}

const BY_KEY = new Map(ALL_SETTINGS.map((setting) => [setting.key, setting]));

/** The setting with a path in code, such as `connectRetry.minMs`; it must exist. */
export function settingOf(key: string): Setting {
  const setting = BY_KEY.get(key);
  if (setting === undefined) throw new TypeError(`Cannot find setting "${key}"`);
  return setting;
}

/** The name of a setting, or of a group, as a source writes it: `connect_retry.min`. */
export function writtenName(key: string, dialect: Dialect): string {
  return dialect === "code" ? key : BY_KEY.get(key)?.yaml ?? yamlName(key);
}

/** `socket_timeout`, `socketTimeout` and `socketTimeoutMs` are spelt alike here. */
function spelling(name: string): string {
  return name.replaceAll("_", "").toLowerCase().replace(/(?<=.)ms$/, "");
}

/** The last part of each setting's names, by every way to spell one of them; made for the
 * first name that is unknown. */
let leavesBySpelling: Map<string, Record<Dialect, string>[]> | undefined;

function indexLeaves(): Map<string, Record<Dialect, string>[]> {
  const index = new Map<string, Record<Dialect, string>[]>();
  for (const { key, yaml, aliases } of ALL_SETTINGS) {
    const leaves = { code: key.split(".").at(-1)!, yaml: yaml.split(".").at(-1)! };
    for (const spelt of new Set([leaves.code, leaves.yaml, ...aliases].map(spelling))) {
      index.set(spelt, [...index.get(spelt) ?? [], leaves]);
    }
  }
  return index;
}

/**
 * The name of the same setting in another dialect: `commandTimeoutMs` in a file is
 * `socket_timeout`.
 *
 * @returns The right name, if it is among the known ones of its level.
 */
export function translatedName(
  name: string,
  dialect: Dialect,
  known: readonly string[],
): string | undefined {
  leavesBySpelling ??= indexLeaves();
  return leavesBySpelling.get(spelling(name))?.map((leaves) => leaves[dialect])
    .find((leaf) => known.includes(leaf));
}

/**
 * The beginning of a path in a YAML file that names databases and settings. In a broken
 * text anything can look like a key, a password too: what is not known is not shown.
 */
export function knownPath(path: readonly string[]): string {
  let known: string[] = [];
  let names: SettingNames | undefined = settingNames("yaml", "root");
  const [first, second] = path;
  if (first !== undefined && DATABASES_KEYS.includes(first)) {
    if (second === undefined || !isDatabaseName(second)) return first;
    known = [first, second];
    names = settingNames("yaml", "database");
  }
  for (const key of path.slice(known.length)) {
    const entry = names?.get(key);
    if (entry === undefined) break;
    known.push(key);
    names = isGroup(entry) ? entry.members : undefined;
  }
  return known.join(".");
}
