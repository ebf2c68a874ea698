import { ignoreErrors, type Redis, type RedisOptions } from "./driver.ts";

/**
 * What a client object was like before anybody held it. Libraries change the client that
 * they are given: they define commands on it, set options, add listeners, wrap methods.
 */
export class Keepsake {
  readonly #keys: ReadonlySet<string | symbol>;
  readonly #options: RedisOptions;

  /**
   * Remembers a client object.
   *
   * @param redis The client, as every holder is to find it.
   */
  constructor(redis: Redis) {
    this.#keys = sharedKeys(Reflect.ownKeys(redis));
    this.#options = redis.options;
  }

  /** Name that the server lists the connection under. */
  get connectionName(): string {
    return this.#options.connectionName ?? "";
  }

  /**
   * Gives a client options that its holder may change; idle ones share theirs.
   *
   * @param redis The same client.
   */
  loosen(redis: Redis): void {
    redis.options = { ...this.#options };
  }

  /**
   * Takes off what a holder has put on.
   *
   * @param redis The same client.
   */
  restore(redis: Redis): void {
    // Its own listener is the one that swallows errors: without one they are printed.
    redis.removeAllListeners();
    redis.on("error", ignoreErrors);
    // Methods that were wrapped are those of the class again.
    for (const key of Reflect.ownKeys(redis)) {
      if (!this.#keys.has(key)) Reflect.deleteProperty(redis, key);
    }
    // The methods of its scripts went with the other properties.
    (redis as unknown as { scriptsSet: object }).scriptsSet = {};
    redis.options = this.#options;
  }
}

let lastKeys: ReadonlySet<string | symbol> = new Set();

/** A set of the keys; the same one for all clients that are alike, as they mostly are. */
function sharedKeys(keys: readonly (string | symbol)[]): ReadonlySet<string | symbol> {
  const isAlike = keys.length === lastKeys.size && keys.every((key) => lastKeys.has(key));
  if (!isAlike) lastKeys = new Set(keys);
  return lastKeys;
}
