import { ignoreErrors, type Redis, type RedisOptions } from "./driver.ts";
import { hold, PassiveClient } from "./passive_client.ts";

/** What a client is made with: the library takes fewer kinds of options than it has. */
type ClientOptions = RedisOptions & { replyMapping?: "legacy" };

/**
 * Makes the client that stands in for one whose lease has been released: it has no
 * connection and no listeners. Looking at it, its events included, does nothing; new work
 * is refused, by a rejected promise or a callback, as the client library refuses it.
 *
 * @param database Name of the database.
 * @param options The options of the client that it stands in for.
 * @param refusal Makes the error of what is refused.
 * @returns The client.
 */
export function makeReleasedClient(
  database: string,
  options: RedisOptions,
  refusal: () => Error,
): Redis {
  const refuse = () => Promise.reject(refusal());
  class NoConnector {
    connect = refuse;
    check = () => true;
    disconnect = () => {};
  }
  const own = { ...options, lazyConnect: true, Connector: NoConnector };
  const redis = new PassiveClient(own as unknown as ClientOptions);
  // The library prints errors that nobody listens to.
  redis.on("error", ignoreErrors);
  (redis as { status: string }).status = "end";
  hold(redis, {
    database,
    clientSends: (command) => {
      command.reject(refusal());
      return command.promise;
    },
    clientDisconnects: () => {},
    clientMonitors: refuse,
    refuseDuplicate: () => {
      throw refusal();
    },
  });
  return redis;
}
