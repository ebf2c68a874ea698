import type { RedisOptions } from "ioredis";

/** The options of the last client of each name, by what siblings have in common. */
const lastOf = new WeakMap<object, Map<string, RedisOptions>>();

/**
 * One object for the options of all clients that are alike, as those of a database mostly
 * are: there are some forty of them, and the library keeps them for each client. It is not
 * to be changed: whoever is lent a client gets a copy.
 *
 * @param options The options of a client.
 * @param siblings The same object for all clients that may share.
 * @returns The same options, those of an earlier client of that name if it had the same.
 *
 * @example Usage
 * ```ts
 * import { shareOptions } from "./shared_options.ts";
 * import { assertStrictEquals } from "@std/assert";
 *
 * const siblings = {};
 * const first = shareOptions({ connectionName: "a", db: 1 }, siblings);
 * assertStrictEquals(shareOptions({ connectionName: "a", db: 1 }, siblings), first);
 * ```
 */
export function shareOptions(options: RedisOptions, siblings: object): RedisOptions {
  const { connectionName = "" } = options;
  let byName = lastOf.get(siblings);
  if (byName === undefined) lastOf.set(siblings, byName = new Map());
  const last = byName.get(connectionName);
  if (last !== undefined && isAlike(options, last)) return last;
  // Spread, it is an object that is copied at once; what the library makes key by key, or
  // what is frozen, takes sixty times as long.
  const shared = { ...options };
  byName.set(connectionName, shared);
  return shared;
}

function isAlike(one: RedisOptions, other: RedisOptions): boolean {
  const keys = Object.keys(one) as (keyof RedisOptions)[];
  return keys.length === Object.keys(other).length &&
    keys.every((key) => key in other && one[key] === other[key]);
}
