import { ConfigError } from "../core/errors/base.ts";
import type { Layer, ValueMap } from "./layer.ts";
import { formatOrigin } from "./origin.ts";
import type { ManagerOptions } from "./types.ts";

/** What one source says, alone. */
export interface PartialConfig {
  /** The settings that it gives, in code's names and milliseconds. */
  readonly options: ManagerOptions;
  /** Where each comes from, by its path such as `databases.cache.db`. */
  readonly origins: Readonly<Record<string, string>>;
  /** What is allowed but probably not meant. */
  readonly warnings: readonly string[];
}

/**
 * A layer as people can use it.
 *
 * @param layer The layer.
 * @param warnings What was noticed beside it.
 * @returns Its settings with their origins.
 * @throws {ConfigError} If anything in it is wrong.
 */
export function partialOf(
  layer: Layer,
  warnings: readonly string[] = [],
): PartialConfig {
  const { problems } = layer;
  if (problems.length > 0) throw new ConfigError(problems);
  const origins: Record<string, string> = Object.create(null);
  const options: Record<string, unknown> = nest(layer.root, "", origins);
  if (layer.databases.size > 0) {
    const databases: Record<string, unknown> = Object.create(null);
    for (const [name, values] of layer.databases) {
      databases[name] = nest(values, `databases.${name}.`, origins);
    }
    options.databases = databases;
  }
  return { options, origins, warnings: [...layer.warnings, ...warnings] };
}

function nest(
  values: ValueMap,
  prefix: string,
  origins: Record<string, string>,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [key, { value, origin }] of values) {
    origins[`${prefix}${key}`] = formatOrigin(origin);
    const [group, member] = key.split(".") as [string, string?];
    if (member === undefined) options[group] = value;
    else ((options[group] ??= {}) as Record<string, unknown>)[member] = value;
  }
  return options;
}
