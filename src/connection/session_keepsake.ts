import type { Redis } from "./driver.ts";

/**
 * What a client object was like before anybody held it. Libraries change the client that
 * they are given: they define commands on it, set options, add listeners, wrap methods.
 */
export class Keepsake {
  readonly #own: ReadonlyMap<string | symbol, unknown>;
  readonly #options: Readonly<Record<string, unknown>>;

  /**
   * Remembers a client object.
   *
   * @param redis The client, as every holder is to find it.
   */
  constructor(redis: Redis) {
    const client = redis as unknown as Record<string | symbol, unknown>;
    this.#own = new Map(
      Reflect.ownKeys(redis).map((key) => [key, REPLACED.has(key) ? client[key] : KEPT]),
    );
    this.#options = { ...redis.options };
  }

  /**
   * Takes off what a holder has put on.
   *
   * @param redis The same client.
   */
  restore(redis: Redis): void {
    // Its own listener is the one that swallows errors: without one they are printed.
    redis.removeAllListeners();
    redis.on("error", () => {});
    const client = redis as unknown as Record<string | symbol, unknown>;
    for (const key of Reflect.ownKeys(redis)) {
      const own = this.#own.get(key);
      if (own === undefined) Reflect.deleteProperty(redis, key);
      else if (own !== KEPT && client[key] !== own) client[key] = own;
    }
    // The methods of its scripts went with the other properties.
    client.scriptsSet = {};
    restoreOptions(redis.options as Record<string, unknown>, this.#options);
  }
}

/** Stands for a property that the library itself changes. */
const KEPT = Symbol("kept");

/** Methods of the object itself, which a holder may have wrapped. */
const REPLACED: ReadonlySet<string | symbol> = new Set([
  "sendCommand",
  "disconnect",
  "duplicate",
  "monitor",
]);

function restoreOptions(
  options: Record<string, unknown>,
  kept: Readonly<Record<string, unknown>>,
): void {
  for (const key in options) {
    if (!(key in kept)) delete options[key];
    else if (options[key] !== kept[key]) options[key] = kept[key];
  }
  for (const key in kept) {
    if (!(key in options)) options[key] = kept[key];
  }
}
