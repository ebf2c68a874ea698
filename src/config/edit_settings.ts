import { ConfigError } from "../core/errors/base.ts";
import { isGroup, settingNames } from "./schema/names.ts";
import { DATABASES_KEYS } from "./schema/settings.ts";
import { editYaml, YamlEditError } from "./yaml/edit.ts";
import { locateYaml } from "./yaml/locate.ts";

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
  const { entries } = locateYaml(text);
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
