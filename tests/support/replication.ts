/**
 * What tests ask about a primary and its replicas.
 *
 * @module
 */
import type { RedisServer } from "../../src/testing/redis_server.ts";
import { waitFor } from "../../src/testing/wait.ts";

/** How often a server has run a command since its start, or since CONFIG RESETSTAT. */
export async function callsOf(server: RedisServer, command: string): Promise<number> {
  const stats = await server.info("commandstats");
  const line = stats[`cmdstat_${command}`] ?? "";
  return Number(/calls=(\d+)/.exec(line)?.[1] ?? 0);
}

/** Waits until every replica has what the primary has now. */
export async function untilCaughtUp(
  primary: RedisServer,
  replicas: readonly RedisServer[],
): Promise<void> {
  for (const replica of replicas) {
    await waitFor(async () => {
      // Asked each time: where another took over meanwhile, offsets are those of its history.
      const { master_repl_offset } = await primary.info("replication");
      const { master_link_status, slave_repl_offset } = await replica.info("replication");
      return master_link_status === "up" &&
        Number(slave_repl_offset) >= Number(master_repl_offset);
    }, { timeoutMs: 60_000, what: "a replica that has caught up" });
  }
}
