import type { Layer } from "../layer.ts";
import { DEFAULT_ORIGIN, dialectOf, type Origin } from "../origin.ts";
import { writtenName } from "../schema/names.ts";

/** How one source writes its settings, for messages that speak of them. */
export interface Words {
  /** A setting, or a group of them, by its path in code. */
  name(key: string): string;
  /** A duration with its unit. */
  time(ms: number): string;
}

/**
 * The words of the source in which a value stands.
 *
 * @param origin The origin of the value.
 * @returns Code's names and milliseconds, or YAML's names and seconds.
 */
export function wordsOf(origin: Origin): Words {
  const dialect = dialectOf(origin);
  return {
    name: (key) => writtenName(key, dialect),
    time: (ms) => dialect === "code" ? `${ms} ms` : `${ms / 1000} s`,
  };
}

/**
 * Path of a database's setting in the words of the source that is to blame.
 *
 * @param layers The sources.
 * @param name The database's name.
 * @param key Path of the setting in code.
 * @param origin Where the source says something.
 * @returns The path, such as `redis_databases.cache.sentinel_name`.
 */
export function writtenPath(
  layers: readonly Layer[],
  name: string,
  key: string,
  origin: Origin,
): string {
  const layer = layers.find(({ source }) => source === origin.source);
  const databases = layer?.databasesKey ?? "databases";
  return `${databases}.${name}.${writtenName(key, dialectOf(origin))}`;
}

/**
 * Of settings that contradict each other, where the first stands that somebody set.
 *
 * @param values A database's values with their origins.
 * @param keys The settings.
 * @returns The origin; that of a default where nobody set any.
 */
export function firstSet(
  values: ReadonlyMap<string, { readonly origin: Origin }>,
  keys: readonly string[],
): Origin {
  const origins = keys.flatMap((key) => values.get(key)?.origin ?? []);
  return origins.find(({ source }) => source !== "default") ?? origins[0] ??
    DEFAULT_ORIGIN;
}
