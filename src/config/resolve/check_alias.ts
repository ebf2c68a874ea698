import type { ConfigProblem } from "../../core/errors/config.ts";
import { formatPosition } from "../origin.ts";
import type { RedisConfig } from "../types.ts";
import type { EffectiveValues } from "./check_database.ts";
import { endpointOf } from "./endpoint.ts";

/**
 * Checks that an alias lives where what it is an alias of lives.
 *
 * @param config The alias.
 * @param values Its values with their origins.
 * @param target What it is an alias of.
 * @returns The problem, if it lives elsewhere.
 */
export function checkAlias(
  config: RedisConfig,
  values: EffectiveValues,
  target: RedisConfig,
): ConfigProblem[] {
  const origin = values.get("aliasOf")?.origin;
  // The aliases among the 18 default names are a habit, not a statement.
  if (origin === undefined || origin.source === "default") return [];
  const own = `number ${config.db} on ${endpointOf(config)}`;
  const its = `number ${target.db} on ${endpointOf(target)}`;
  if (own === its) return [];
  return [{
    origin: formatPosition(origin),
    key: `databases.${config.name}.aliasOf`,
    message: `"${target.name}" is ${its}, this is ${own}; leave out what differs`,
  }];
}
