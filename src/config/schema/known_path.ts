import { isDatabaseName } from "./check.ts";
import { isGroup, type SettingNames, settingNames } from "./names.ts";
import { DATABASES_KEYS } from "./settings.ts";

/**
 * The beginning of a path in a YAML file that names databases and settings. In a broken
 * text anything can look like a key, a password too: what is not known is not shown.
 *
 * @param path Keys from the root.
 * @returns The known beginning, such as `databases.cache.db`.
 */
export function knownPath(path: readonly string[]): string {
  const known: string[] = [];
  let rest = path;
  let names: SettingNames | undefined = settingNames("yaml", "root");
  const [first, second] = path;
  if (first !== undefined && DATABASES_KEYS.includes(first)) {
    known.push(first);
    if (second === undefined || !isDatabaseName(second)) return first;
    known.push(second);
    rest = path.slice(2);
    names = settingNames("yaml", "database");
  }
  for (const key of rest) {
    const entry = names?.get(key);
    if (entry === undefined) break;
    known.push(key);
    names = isGroup(entry) ? entry.members : undefined;
  }
  return known.join(".");
}
