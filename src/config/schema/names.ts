import type { Dialect } from "./kinds.ts";
import type { Setting } from "./setting.ts";
import { DATABASE_SETTINGS, MANAGER_SETTINGS, PER_DATABASE_ONLY } from "./settings.ts";

/** Settings that are written as a mapping of their own, such as `tls`. */
export interface SettingGroup {
  /** Name of the group as it is written. */
  readonly name: string;
  /** Its settings by the name they have inside it. */
  readonly members: ReadonlyMap<string, Setting>;
}

/** What a key at one level may name. */
export type SettingNames = ReadonlyMap<string, Setting | SettingGroup>;

/**
 * Whether a name stands for a group.
 *
 * @param entry What the name stands for.
 * @returns `true` for a group.
 */
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
    let members = groups.get(first);
    if (members === undefined) {
      members = new Map();
      groups.set(first, members);
      names.set(first, { name: first, members });
    }
    members.set(member, setting);
  }
  return names;
}

const ROOT_SETTINGS = [
  ...DATABASE_SETTINGS.filter((setting) => !PER_DATABASE_ONLY.has(setting.key)),
  ...MANAGER_SETTINGS,
];

const NAMES: Record<Dialect, { database: SettingNames; root: SettingNames }> = {
  yaml: {
    database: indexNames(DATABASE_SETTINGS, "yaml"),
    root: indexNames(ROOT_SETTINGS, "yaml"),
  },
  code: {
    database: indexNames(DATABASE_SETTINGS, "code"),
    root: indexNames(ROOT_SETTINGS, "code"),
  },
};

/** Where keys are read: the root, or one database. */
export type Level = "root" | "database";

/**
 * The names that a level knows.
 *
 * @param dialect YAML's names or code's.
 * @param level The root, or one database.
 * @returns What each name stands for.
 */
export function settingNames(dialect: Dialect, level: Level): SettingNames {
  return NAMES[dialect][level];
}

/**
 * A setting's name as a source writes it.
 *
 * @param key Path in code, such as `connectRetry.minMs`, or the name of a group in code.
 * @param dialect YAML's names or code's.
 * @returns The path in that dialect, such as `connect_retry.min`.
 */
export function writtenName(key: string, dialect: Dialect): string {
  if (dialect === "code") return key;
  const setting = BY_KEY.get(key);
  if (setting !== undefined) return setting.yaml;
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `socket_timeout`, `socketTimeout` and `socketTimeoutMs` are spelt alike here. */
function spelling(name: string): string {
  return name.replaceAll("_", "").toLowerCase().replace(/(?<=.)ms$/, "");
}

/** The last part of each setting's names, by every way to spell one of them. */
const LEAVES = new Map<string, Record<Dialect, string>[]>();
for (const { key, yaml, aliases } of [...DATABASE_SETTINGS, ...MANAGER_SETTINGS]) {
  const leaves = { code: leafOf(key), yaml: leafOf(yaml) };
  for (const spelt of new Set([leaves.code, leaves.yaml, ...aliases].map(spelling))) {
    LEAVES.set(spelt, [...LEAVES.get(spelt) ?? [], leaves]);
  }
}

function leafOf(path: string): string {
  return path.split(".").at(-1)!;
}

/**
 * The name that stands for the same setting in the other dialect: `commandTimeoutMs` in a
 * file is `socket_timeout`.
 *
 * @param name The name as it was written.
 * @param dialect The dialect that it should have been written in.
 * @param known The names that its level knows.
 * @returns The right name, if the level knows such a setting.
 */
export function translatedName(
  name: string,
  dialect: Dialect,
  known: readonly string[],
): string | undefined {
  return LEAVES.get(spelling(name))?.map((leaves) => leaves[dialect])
    .find((leaf) => known.includes(leaf));
}

const BY_KEY = new Map(
  [...DATABASE_SETTINGS, ...MANAGER_SETTINGS].map((setting) => [setting.key, setting]),
);

/**
 * The setting with a given path in code.
 *
 * @param key Path in code, such as `connectRetry.minMs`; it must exist.
 * @returns The setting.
 */
export function settingOf(key: string): Setting {
  const setting = BY_KEY.get(key);
  if (setting === undefined) throw new TypeError(`Cannot find setting "${key}"`);
  return setting;
}
