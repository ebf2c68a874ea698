import type { ConfigProblem } from "../../core/errors/base.ts";
import type { Layer } from "../layer.ts";
import { formatPosition } from "../origin.ts";
import type { RedisConfig } from "../types.ts";
import type { EffectiveValues } from "./check_database.ts";
import { endpointOf } from "./endpoint.ts";
import { writtenPath } from "./words.ts";

/**
 * Checks that an alias lives where what it is an alias of lives.
 *
 * @param config The alias.
 * @param values Its values with their origins.
 * @param target What it is an alias of.
 * @param layers The sources, for the problem's key.
 * @returns The problem, if it lives elsewhere.
 */
export function checkAlias(
  config: RedisConfig,
  values: EffectiveValues,
  target: RedisConfig,
  layers: readonly Layer[],
): ConfigProblem[] {
  const origin = values.get("aliasOf")?.origin;
  // The aliases among the 18 default names are a habit, not a statement.
  if (origin === undefined || origin.source === "default") return [];
  const own = `number ${config.db} on ${endpointOf(config)}`;
  const its = `number ${target.db} on ${endpointOf(target)}`;
  if (own === its) return [];
  return [{
    origin: formatPosition(origin),
    key: writtenPath(layers, config.name, "aliasOf", origin),
    message: `"${target.name}" is ${its}, this is ${own}; leave out what differs`,
  }];
}
