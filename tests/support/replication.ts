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

/**
 * Cuts the links of replicas, which stay down: until {@linkcode restoreLinks} they log in as a
 * user that the primary does not have. They are not refused PSYNC itself, as a replica then asks
 * by the SYNC of old servers at once. If that one is allowed again, its offset begins at 0, and
 * stays behind the primary's as long as the link lasts, although it has all the data.
 */
export async function cutLinks(
  primary: RedisServer,
  replicas: readonly RedisServer[],
): Promise<void> {
  await setLogin(replicas, "nobody");
  await primary.cli("CLIENT", "KILL", "TYPE", "replica");
}

/** Lets replicas connect to their primary again. */
export async function restoreLinks(replicas: readonly RedisServer[]): Promise<void> {
  await setLogin(replicas, "");
}

async function setLogin(replicas: readonly RedisServer[], login: string): Promise<void> {
  for (const replica of replicas) {
    const words = ["masteruser", login, "masterauth", login];
    const reply = await replica.cli("CONFIG", "SET", ...words);
    if (reply !== "OK") throw new Error(`The replica refused a login: ${reply}`);
  }
}
