import { RedisConfigLoader, RedisConnectionManager } from "../../mod.ts";

/**
 * Loads a configuration and makes a manager whose databases all live on one server,
 * under a key prefix of this run. A server that is not there is reported soon: one more
 * attempt is made, whatever the configuration says.
 *
 * @param yamlPath The configuration.
 * @param url The server.
 * @returns The manager; nothing is open yet.
 * @throws {ConfigError} If the configuration cannot be used.
 */
export async function openManager(
  yamlPath: string,
  url: string,
): Promise<RedisConnectionManager> {
  const run = `mooring-demo:${crypto.randomUUID().slice(0, 8)}:`;
  const written = await RedisConfigLoader.load({ yamlPath });
  const databases = Object.fromEntries(
    Object.values(written.databases).map(({ name, db, keyPrefix }) => [
      name,
      {
        url,
        db,
        keyPrefix: `${run}${name}:${keyPrefix}`,
        connectRetry: { attempts: 2 },
      },
    ]),
  );
  const config = await RedisConfigLoader.load({ yamlPath, overrides: { databases } });
  return new RedisConnectionManager(config);
}
