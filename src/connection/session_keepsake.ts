import type { Redis } from "./driver.ts";

/**
 * What a client object was like before anybody held it. Libraries change the client that
 * they are given: they define commands on it, set options, add listeners, wrap methods.
 */
export class Keepsake {
  readonly #keys: ReadonlySet<string | symbol>;
  readonly #methods: readonly unknown[];
  readonly #options: Readonly<Record<string, unknown>>;

  /**
   * Remembers a client object.
   *
   * @param redis The client, as every holder is to find it.
   */
  constructor(redis: Redis) {
    const client = redis as unknown as Record<string | symbol, unknown>;
    this.#keys = sharedKeys(Reflect.ownKeys(redis));
    this.#methods = REPLACED.map((name) => client[name]);
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
      if (!this.#keys.has(key)) Reflect.deleteProperty(redis, key);
    }
    REPLACED.forEach((name, i) => {
      const method = this.#methods[i];
      if (client[name] !== method) client[name] = method;
    });
    // The methods of its scripts went with the other properties.
    client.scriptsSet = {};
    restoreOptions(redis.options as Record<string, unknown>, this.#options);
  }
}

/** Methods of the object itself, which a holder may have wrapped. */
const REPLACED = ["sendCommand", "disconnect", "duplicate", "monitor"] as const;

let lastKeys: ReadonlySet<string | symbol> = new Set();

/** A set of the keys; the same one for all clients that are alike, as they mostly are. */
function sharedKeys(keys: readonly (string | symbol)[]): ReadonlySet<string | symbol> {
  const isAlike = keys.length === lastKeys.size && keys.every((key) => lastKeys.has(key));
  if (!isAlike) lastKeys = new Set(keys);
  return lastKeys;
}

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
