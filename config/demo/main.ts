/**
 * The main job: opens every database of a configuration on a real Redis, runs commands in
 * each, and prints health and statistics. Exit code 0 only if all checks passed.
 *
 * Usage: `deno task demo [--config FILE] [--json]`. Without `REDIS_URL` it starts a
 * server of its own and stops it; with it, it touches nothing outside a key prefix of
 * its own and deletes what it wrote.
 */
import { parseArgs } from "node:util";
import {
  RedisConfigLoader,
  RedisConnectionManager,
  RedisManagerError,
} from "../../mod.ts";
import { ensureRedisServer } from "../../tests/support/redis_binary.ts";
import { RedisServer } from "../../src/testing/redis_server.ts";
import { report, toJson, toTable } from "./report.ts";
import { workInAll } from "./work.ts";

/** There is no server to work on; the message says what to do. */
class NoServer extends Error {}

/** Where the demo works: a server of its own, or the user's. */
async function findServer(): Promise<{ url: string; own?: RedisServer }> {
  const url = Deno.env.get("REDIS_URL");
  if (url !== undefined && url !== "") return { url };
  try {
    await ensureRedisServer();
    const own = await RedisServer.start();
    return { url: own.url, own };
  } catch (cause) {
    const { message } = cause as Error;
    throw new NoServer(`${message}; or set REDIS_URL to a server that runs`, { cause });
  }
}

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
async function openManager(
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

/** Prints for people on stderr while JSON goes to stdout. */
function printer(json: boolean): (line: string) => void {
  return json ? console.error : console.log;
}

async function demo(configPath: string, json: boolean): Promise<boolean> {
  const say = printer(json);
  const { url, own } = await findServer();
  await using _server = own ?? { [Symbol.asyncDispose]: () => Promise.resolve() };
  say(own === undefined ? "Redis: from REDIS_URL" : `Redis: own server on ${own.url}`);
  await using manager = await openManager(configPath, url);
  const { totalDatabases } = manager.getHealthStatus();
  say(`Configuration: ${configPath}, ${totalDatabases} databases`);
  const outcomes = await workInAll(manager, say);
  await manager.healthCheck();
  const result = report(manager, outcomes);
  console.log(json ? toJson(result) : toTable(result));
  return result.ok;
}

const USAGE = `Usage: deno task demo [--config FILE] [--json]

Opens every database of a configuration (config/redis-databases.yaml), runs commands in
each, and prints health and statistics. Without REDIS_URL it starts a server of its own.
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      config: { type: "string", default: "config/redis-databases.yaml" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE.trimEnd());
    return 0;
  }
  return await demo(values.config, values.json) ? 0 : 1;
}

try {
  Deno.exitCode = await main();
} catch (error) {
  // An expected failure is printed as a sentence; anything else is a bug.
  const expected = error instanceof RedisManagerError || error instanceof NoServer ||
    (error instanceof TypeError && "code" in error);
  console.error(expected ? (error as Error).message : error);
  Deno.exitCode = 1;
}
