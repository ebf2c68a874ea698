import type { SlotTransactionParts } from "../commands/slot_transaction.ts";
import type { TransactionParts } from "../commands/transaction.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { DatabaseStatistics } from "../observability/database_statistics.ts";
import type { Servers } from "../servers/servers.ts";
import { crossSlotText } from "../topology/command_slot.ts";
import { findCrossSlot, keySlot } from "../topology/key_slot.ts";
import { parseRedirect } from "../topology/redirect.ts";
import { hostOf } from "../topology/slot_map.ts";

/** The database that transactions in a cluster run on. */
export interface TransactionPlace {
  /** The database. */
  readonly config: RedisConfig;
  /** The nodes. */
  readonly servers: Servers;
  /** Who counts. */
  readonly statistics: DatabaseStatistics;
}

/**
 * What a transaction needs in a cluster: that its keys are in one slot, and a connection to
 * the node of that slot.
 *
 * @param parts What every transaction needs.
 * @param place The database.
 * @returns The parts.
 */
export function slotTransactionParts(
  parts: TransactionParts,
  { config, servers, statistics }: TransactionPlace,
): SlotTransactionParts {
  const { keyPrefix, name } = config;
  return {
    ...parts,
    slotOf: (watch, commands) => {
      const keys = [
        ...watch.map((key) => keyPrefix + key),
        ...commands.flatMap((command) => command.getKeys()),
      ];
      const crossing = findCrossSlot(keys);
      if (crossing !== undefined) {
        const text = crossSlotText(crossing);
        throw new CommandRefusedError(name, "multi", text, "one node of the cluster");
      }
      return keys.length === 0 ? undefined : keySlot(keys[0]!);
    },
    acquireAt: ({ node, slot }, wait) =>
      servers.lease(
        node === undefined ? slot === undefined ? {} : { slot } : { node },
        wait,
        (server, wait) => server.lend(wait),
      ),
    redirected: (error, endpoint) => {
      const redirect = parseRedirect(error.message, hostOf(endpoint));
      if (redirect === undefined) return undefined;
      statistics.redirected();
      const { kind, node, slot } = redirect;
      servers.redirectTo?.(redirect);
      return { slot, node, asking: kind === "ask" };
    },
  };
}
