/**
 * Runs Deno with a Redis server at hand: `with_redis.ts <arguments of deno>`.
 *
 * The server's address is in `REDIS_URL`. Where the variable is set already, its server is
 * used.
 *
 * @module
 */

import { ensureRedisServer } from "../../tests/support/redis_binary.ts";
import { RedisServer } from "../../src/testing/redis_server.ts";
import { run } from "./run_command.ts";

async function runWithServer(args: string[]): Promise<number> {
  const cwd = Deno.cwd();
  if (Deno.env.get("REDIS_URL")) return await run({ args, cwd });
  await ensureRedisServer();
  await using server = await RedisServer.start();
  Deno.env.set("REDIS_URL", server.url);
  return await run({ args, cwd });
}

if (import.meta.main) {
  try {
    Deno.exitCode = await runWithServer(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exitCode = 1;
  }
}
