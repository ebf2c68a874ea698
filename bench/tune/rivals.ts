/**
 * Plain ioredis and node-redis as contenders of the tuning sweep, on the same server.
 *
 * @module
 */
import { Redis } from "ioredis";
// node-redis is measured here and nowhere else: it must not become a dependency.
// deno-lint-ignore no-import-prefix
import { createClient } from "npm:redis@^6.0.0";
// deno-lint-ignore no-import-prefix
import nodeRedisPackage from "npm:redis@^6.0.0/package.json" with { type: "json" };
// deno-lint-ignore no-import-prefix
import ioredisPackage from "npm:ioredis@^6.0.0/package.json" with { type: "json" };
import type { RedisConfig } from "../../mod.ts";
import type { Contender, OpenOptions } from "../../src/cli/tune/contender.ts";

/** Of the mixes, those that one shared connection can do without stalling itself. */
const MIXES = ["get-heavy", "write-heavy", "pipeline"] as const;

/** Where the server is; the rivals take plain TCP and TLS that is trusted by default. */
async function access({ db, host, password, port, tls, username }: RedisConfig) {
  return {
    ...{ db, host, port, username },
    password: await password?.reveal(),
    isTls: tls.enabled,
  };
}

/**
 * Plain ioredis with its defaults.
 *
 * @returns The contender.
 */
export function ioredisContender(): Contender {
  const open = async ({ config, name }: OpenOptions) => {
    const { isTls, ...options } = await access(config);
    const redis = new Redis({
      ...options,
      connectionName: name,
      ...(isTls ? { tls: {} } : {}),
    });
    await redis.ping();
    return {
      namePrefix: name,
      client: {
        get: (key: string) => redis.get(key),
        set: (key: string, value: string, seconds: number) =>
          redis.set(key, value, "EX", seconds),
        pipeline: (keys: readonly string[]) => {
          const pipeline = redis.pipeline();
          for (const key of keys) pipeline.get(key);
          return pipeline.exec();
        },
        close: () => redis.quit(),
      },
    };
  };
  return { subject: "ioredis", version: ioredisPackage.version, mixes: MIXES, open };
}

/**
 * One client of node-redis with its defaults.
 *
 * @returns The contender.
 */
export function nodeRedisContender(): Contender {
  const open = async ({ config, name }: OpenOptions) => {
    const { db: database, host, isTls, password, port, username } = await access(config);
    const socket = isTls ? { host, port, tls: true as const } : { host, port };
    const client = await createClient({ database, name, password, socket, username })
      .connect();
    return {
      namePrefix: name,
      client: {
        get: (key: string) => client.get(key),
        set: (key: string, value: string, seconds: number) =>
          client.set(key, value, { EX: seconds }),
        pipeline: (keys: readonly string[]) => {
          const batch = client.multi();
          for (const key of keys) batch.get(key);
          return batch.execAsPipeline();
        },
        close: () => client.close(),
      },
    };
  };
  return { subject: "node-redis", version: nodeRedisPackage.version, mixes: MIXES, open };
}
