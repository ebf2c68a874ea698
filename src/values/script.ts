import { createHash } from "node:crypto";
import type { RedisClient } from "../commands/client.ts";

/** What an argument of a script may be. */
type ScriptArgument = string | number | Uint8Array;

/** A script and what it takes; names stand in the order of `KEYS` and `ARGV`. */
export interface ScriptDefinition<K extends string, A extends string, R> {
  /** Its text. */
  readonly lua: string;
  /** Names for `KEYS[1]`, `KEYS[2]` …: the keys that it reads or writes. Default: none. */
  readonly keys?: readonly K[];
  /** Names for `ARGV[1]`, `ARGV[2]` … Default: none. */
  readonly args?: readonly A[];
  /** Makes the result of the reply. Default: the reply. */
  readonly reply?: (reply: unknown) => R;
}

/** A script that {@linkcode defineScript} gives. */
export interface Script<K extends string, A extends string, R> {
  /** SHA-1 of its text, as `SCRIPT EXISTS` wants it. */
  readonly sha: string;
  /**
   * Runs it: by its digest, and whole where the server does not have it yet, as after a
   * restart.
   *
   * @param client The client of a database; one of `with()` for a deadline or a signal.
   * @param given The keys and arguments by name.
   * @returns What `reply` makes of the reply.
   * @throws {TypeError} If a key or an argument is missing or unknown.
   */
  run(
    client: RedisClient,
    ...given: [K | A] extends [never] ? []
      : [
        given: Readonly<
          Record<K, string | Uint8Array> & Record<A, string | number | Uint8Array>
        >,
      ]
  ): Promise<R>;
}

/**
 * Defines a Lua script with named keys and arguments, and a typed result.
 *
 * @param definition Text, names and reply.
 * @returns The script; nothing is sent.
 * @throws {TypeError} If a name stands there twice.
 *
 * @example Usage
 * ```ts
 * import { defineScript, RedisConnectionManager } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const addUpTo = defineScript({
 *   lua: `
 *     local sum = math.min(redis.call("GET", KEYS[1]) or 0, 1e9) + ARGV[1]
 *     redis.call("SET", KEYS[1], math.min(sum, ARGV[2]), "EX", 60)
 *     return math.min(sum, ARGV[2])`,
 *   keys: ["counter"],
 *   args: ["by", "most"],
 *   reply: Number,
 * });
 *
 * await using manager = new RedisConnectionManager({
 *   url: Deno.env.get("REDIS_URL") ?? "redis://localhost:6379",
 *   databases: { main: { db: 0 } },
 * });
 * const main = manager.getClient("main");
 * await main.del("mooring:sum");
 * assertEquals(await addUpTo.run(main, { counter: "mooring:sum", by: 7, most: 5 }), 5);
 * ```
 */
export function defineScript<
  const K extends string = never,
  const A extends string = never,
  R = unknown,
>(definition: ScriptDefinition<K, A, R>): Script<K, A, R> {
  const { args = [], keys = [], lua, reply = (reply: unknown) => reply as R } =
    definition;
  const names: readonly string[] = [...keys, ...args];
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new TypeError(`Cannot define a script as "${twice}" stands there twice`);
  }
  const sha = createHash("sha1").update(lua).digest("hex");
  return {
    sha,
    run: async (client, ...[given]) => {
      const values = valuesOf(names, given);
      const rest = [keys.length, ...values] as [number, ...string[]];
      try {
        return reply(await client.evalsha(sha, ...rest));
      } catch (error) {
        // It has not run: the server does not have it.
        if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) {
          throw error;
        }
        return reply(await client.eval(lua, ...rest));
      }
    },
  };
}

/** What was given for each name, in order. */
function valuesOf(
  names: readonly string[],
  given: Readonly<Record<string, ScriptArgument>> = {},
): ScriptArgument[] {
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  const missing = names.find((name) => given[name] === undefined);
  if (unknown === undefined && missing === undefined) {
    return names.map((name) => given[name]!);
  }
  const what = missing === undefined
    ? `it has no key or argument "${unknown}"`
    : `"${missing}" is missing`;
  const allowed = names.map((name) => `"${name}"`).join(", ") || "none";
  throw new TypeError(`Cannot run a script as ${what}; it takes: ${allowed}`);
}
