import { type Dialect, isDatabaseName } from "./kinds.ts";
import {
  DATABASE_SETTINGS,
  DATABASES_KEYS,
  MANAGER_SETTINGS,
  PER_DATABASE_ONLY,
  type Setting,
  yamlName,
} from "./settings.ts";

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

const NAMES = {
  yaml: {
    database: indexNames(DATABASE_SETTINGS, "yaml"),
    root: indexNames(ROOT_SETTINGS, "yaml"),
  },
  code: {
    database: indexNames(DATABASE_SETTINGS, "code"),
    root: indexNames(ROOT_SETTINGS, "code"),
  },
};

/** The names that the root, or a database, knows. */
export function settingNames(dialect: Dialect, level: "root" | "database"): SettingNames {
  return NAMES[dialect][level];
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

/** The last part of each setting's names, by every way to spell one of them. */
const LEAVES = new Map<string, Record<Dialect, string>[]>();
for (const { key, yaml, aliases } of ALL_SETTINGS) {
  const leaves = { code: key.split(".").at(-1)!, yaml: yaml.split(".").at(-1)! };
  for (const spelt of new Set([leaves.code, leaves.yaml, ...aliases].map(spelling))) {
    LEAVES.set(spelt, [...LEAVES.get(spelt) ?? [], leaves]);
  }
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
  return LEAVES.get(spelling(name))?.map((leaves) => leaves[dialect])
    .find((leaf) => known.includes(leaf));
}

/**
 * The beginning of a path in a YAML file that names databases and settings. In a broken
 * text anything can look like a key, a password too: what is not known is not shown.
 */
export function knownPath(path: readonly string[]): string {
  let known: string[] = [];
  let names: SettingNames | undefined = NAMES.yaml.root;
  const [first, second] = path;
  if (first !== undefined && DATABASES_KEYS.includes(first)) {
    if (second === undefined || !isDatabaseName(second)) return first;
    known = [first, second];
    names = NAMES.yaml.database;
  }
  for (const key of path.slice(known.length)) {
    const entry = names?.get(key);
    if (entry === undefined) break;
    known.push(key);
    names = isGroup(entry) ? entry.members : undefined;
  }
  return known.join(".");
}
