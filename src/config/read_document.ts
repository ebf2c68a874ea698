import {
  type Entry,
  type Reading,
  readSettings,
  refuseUnknown,
} from "./read_settings.ts";
import { isDatabaseName } from "./schema/check.ts";
import { foundShape, keyName } from "./schema/found.ts";
import { settingNames } from "./schema/names.ts";
import { DATABASES_KEYS, LEGACY_KEYS, TEMPLATE_PREFIX } from "./schema/settings.ts";

/**
 * Reads a whole configuration: the settings at the root and the map of databases.
 *
 * @param reading How the source gives its values.
 * @param value The configuration as the source gives it.
 */
export function readDocument(reading: Reading, value: unknown): void {
  const { dialect, layer } = reading;
  const entries = reading.entries(value, []);
  if (entries === undefined) {
    const allowed = dialect === "yaml"
      ? "a mapping of settings"
      : 'an object of settings, such as { url: "redis://localhost" }';
    const origin = reading.origin([], "value");
    return layer.refuse(origin, "", `found ${foundShape(value)}, allowed: ${allowed}`);
  }
  const names = settingNames(dialect, "root");
  const databasesKeys = dialect === "yaml" ? DATABASES_KEYS : ["databases"];
  const settings: Entry[] = [];
  const maps: Entry[] = [];
  for (const entry of entries) {
    if (databasesKeys.includes(entry.key)) maps.push(entry);
    else if (names.has(entry.key)) settings.push(entry);
    else if (dialect === "yaml" && entry.key.startsWith(TEMPLATE_PREFIX)) continue;
    else if (dialect === "yaml" && LEGACY_KEYS.has(entry.key)) warnLegacy(reading, entry);
    else refuseUnknown(reading, entry, [...names.keys(), ...databasesKeys], "");
  }
  readSettings(reading, settings, names, layer.root, "");
  const [databases, second] = maps;
  if (second !== undefined) {
    layer.refuse(
      reading.origin(second.path, "key"),
      second.key,
      `given beside ${databases!.key}; put all databases into one of the two`,
    );
  } else if (databases !== undefined) {
    layer.databasesKey = databases.key;
    readDatabases(reading, databases);
  }
}

function warnLegacy(reading: Reading, entry: Entry): void {
  const { label, line } = reading.origin(entry.path, "key");
  reading.layer.warnings.push(
    `${line === undefined ? label : `${label}:${line}`}: ${entry.key} has no effect: ${
      LEGACY_KEYS.get(entry.key)
    }`,
  );
}

function readDatabases(reading: Reading, entry: Entry): void {
  const value = reading.expand(entry.value, entry, entry.key);
  if (value === undefined || value === null) return;
  const databases = reading.entries(value, entry.path);
  if (databases === undefined) {
    const origin = reading.origin(entry.path, "value");
    return reading.layer.refuse(
      origin,
      entry.key,
      `found ${foundShape(value)}, allowed: a mapping of names to settings`,
    );
  }
  for (const database of databases) readDatabase(reading, database);
}

/**
 * Reads the settings of one database.
 *
 * @param reading How the source gives its values.
 * @param entry The database's name and settings.
 */
export function readDatabase(reading: Reading, entry: Entry): void {
  const { dialect, layer } = reading;
  const origin = reading.origin(entry.path, "key");
  if (!isDatabaseName(entry.key)) {
    return layer.refuse(
      origin,
      layer.databasesKey,
      `found the name "${
        keyName(entry.key)
      }", allowed: letters, digits, _, -, . and :, ` +
        "at most 128 characters",
    );
  }
  const label = `${layer.databasesKey}.${entry.key}`;
  const values = layer.database(entry.key, origin);
  const value = reading.expand(entry.value, entry, label);
  if (value === undefined || value === null) return;
  const entries = reading.entries(value, entry.path);
  if (entries === undefined) {
    const valueOrigin = reading.origin(entry.path, "value");
    const found = foundShape(value);
    return layer.refuse(valueOrigin, label, `found ${found}, allowed: a mapping`);
  }
  readSettings(reading, entries, settingNames(dialect, "database"), values, `${label}.`);
}
