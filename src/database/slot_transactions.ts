import { type Dispatcher, RERESOLVE_AFTER_MS } from "../commands/dispatcher.ts";
import type { SlotTransactionParts } from "../commands/slot_transaction.ts";
import type { TransactionLease, TransactionParts } from "../commands/transaction.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import type { Clock } from "../core/clock.ts";
import { CommandRefusedError } from "../core/errors/mod.ts";
import type { DatabaseStatistics } from "../observability/statistics.ts";
import { classifyReplyError } from "../resilience/reply_errors.ts";
import type { Loan } from "../servers/loan.ts";
import type { Servers } from "../servers/servers.ts";
import { crossSlotText } from "../topology/command_slot.ts";
import { findCrossSlot, keySlot } from "../topology/key_slot.ts";
import { parseRedirect } from "../topology/redirect.ts";
import { hostOf } from "../topology/slot_map.ts";

/** The database that transactions run on. */
export interface TransactionPlace {
  /** The database. */
  readonly config: RedisConfig;
  /** Its servers. */
  readonly servers: Servers;
  /** Who counts. */
  readonly statistics: DatabaseStatistics;
  /** Time. */
  readonly clock: Clock;
  /** Judges the commands. */
  readonly dispatcher: Pick<Dispatcher, "leaseFailed" | "replied">;
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
  database: TransactionPlace,
): SlotTransactionParts {
  const { config, servers, statistics } = database;
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
    acquireAt: async ({ node, slot }, wait) => {
      const target = node === undefined ? slot === undefined ? {} : { slot } : { node };
      const loan = await servers.lease(target, wait, (server, wait) => server.lend(wait));
      return countAtEnd(loan, database);
    },
    redirected: (error, endpoint) => {
      const redirect = parseRedirect(error.message, hostOf(endpoint));
      if (redirect === undefined) return undefined;
      statistics.counts.redirects++;
      const { kind, node, slot } = redirect;
      servers.redirectTo?.(redirect);
      return { slot, node, asking: kind === "ask" };
    },
  };
}

/**
 * Counts what a transaction sends when the connection is given back: an attempt that is
 * redirected, or tried again after a "not now", has run nothing, and its caller knows
 * nothing of it.
 *
 * @param loan The connection.
 * @param database Who counts, and judges.
 * @returns The connection, until it is given back.
 */
export function countAtEnd(
  loan: Loan,
  { clock, dispatcher, servers, statistics }: TransactionPlace,
): TransactionLease {
  let uncounted: (() => void)[] | undefined = [];
  const count = (how: () => void) => {
    if (uncounted === undefined) how();
    else uncounted.push(how);
  };
  const { connection } = loan;
  let isOver = false;
  // Whether the server has said that it cannot serve any more.
  let leadsAway = false;
  const end = () => {
    // It may be somebody else's by now.
    if (isOver) return;
    isOver = true;
    const late = uncounted ?? [];
    uncounted = undefined;
    for (const how of late) how();
    loan.judgedBy();
  };
  loan.judgedBy({
    replied: (command, reply) => count(() => dispatcher.replied(command, reply)),
    failed: (command: TrackedCommand, error) => {
      servers.learn?.(command, error);
      dispatcher.leaseFailed(command, error, false);
      const ageMs = clock.now() - connection.createdAt;
      const { reresolve } = classifyReplyError(error.message).rule;
      if (reresolve && ageMs >= RERESOLVE_AFTER_MS) leadsAway = true;
      count(() => statistics.commandFailed(error));
    },
  });
  return {
    endpoint: loan.endpoint,
    redis: loan.redis,
    send: (command) => loan.send(command),
    release: () => {
      end();
      // The next to get it would be this transaction itself.
      if (leadsAway) loan.destroy();
      else loan.release();
    },
    destroy: () => {
      end();
      loan.destroy();
    },
    forget: () => uncounted = [],
  };
}
