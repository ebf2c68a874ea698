/**
 * What tests ask about the clients of a server.
 *
 * @module
 */

import type { ClientRow } from "../../src/testing/redis_replies.ts";
import { waitFor } from "../../src/testing/wait.ts";

export { delay, waitFor, type WaitForOptions } from "../../src/testing/wait.ts";

/** Whoever can list a server's connections; a `RedisServer` can. */
export interface ClientLister {
  /** The connections whose names begin with `namePrefix`. */
  clientList(namePrefix?: string): Promise<ClientRow[]>;
}

/**
 * Throws if the server still has connections whose names begin with `namePrefix` after
 * `withinMs` milliseconds (default 10000). The server's word counts, as the sanitizers of
 * `deno test` do not see every socket.
 *
 * @throws {Error} Naming each connection left: id, name, address, age, last command.
 */
export async function assertNoConnectionsLeft(
  server: ClientLister,
  namePrefix = "",
  options: { withinMs?: number } = {},
): Promise<void> {
  const { withinMs = 10_000 } = options;
  let rows: ClientRow[] = [];
  try {
    await waitFor(async () => {
      rows = await server.clientList(namePrefix);
      return rows.length === 0;
    }, { timeoutMs: withinMs, what: `the end of connections "${namePrefix}*"` });
  } catch (cause) {
    // An unreachable server is no proof that nothing is left.
    if (rows.length === 0) throw cause;
    const lines = rows.map(({ id, name, addr, age, cmd }) =>
      `  id ${id}, name "${name}", from ${addr}, ${age} s old, last command ${cmd}`
    );
    throw new Error(
      `${rows.length} connections "${namePrefix}*" left after ${withinMs} ms:\n` +
        lines.join("\n"),
      { cause },
    );
  }
}
