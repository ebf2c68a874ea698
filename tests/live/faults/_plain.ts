/** The same faults met by plain ioredis, as it is by default, for the table. */
import { Redis, type RedisOptions } from "ioredis";
import { delay } from "../../support/clients.ts";
import { IS_FULL } from "./_stage.ts";

/**
 * Says what plain ioredis makes of a fault, where the full matrix is asked for.
 *
 * @param port Where it connects to.
 * @param meet Meets the fault with it; gives what came of it, in a few words.
 * @param options What differs from its defaults.
 * @returns The words, to be spread into what a row reports.
 */
export async function plainOutcome(
  port: number,
  meet: (redis: Redis) => Promise<string>,
  options: RedisOptions = {},
): Promise<{ plain?: string }> {
  if (!IS_FULL) return {};
  const redis = new Redis({ host: "127.0.0.1", port, ...options });
  redis.on("error", () => {}); // what became of the command is what counts
  try {
    return { plain: await meet(redis) };
  } finally {
    redis.disconnect();
  }
}

/** What became of a command within `ms` milliseconds, in a few words. */
export async function within(ms: number, command: Promise<unknown>): Promise<string> {
  const start = performance.now();
  const told = command.then(
    (value) => `got ${value}`,
    (error: Error) => `${error.name}: ${error.message.split("\n")[0]!.slice(0, 60)}`,
  ).then((text) => `${text} after ${Math.round(performance.now() - start)} ms`);
  return await Promise.race([told, delay(ms).then(() => `pending after ${ms} ms`)]);
}
