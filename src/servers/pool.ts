import type { Clock } from "../core/clock.ts";
import type { Emit } from "../core/events.ts";
import type { RedisConfig } from "../config/mod.ts";
import type { Connection } from "../connection/connection.ts";
import type { Opener } from "../connection/opener.ts";
import { Session, type SessionOptions } from "../connection/session.ts";
import type { DatabaseTelemetry } from "../observability/telemetry/database_telemetry.ts";
import type { ConnectionBudget } from "../pool/connection_budget.ts";
import { Pool } from "../pool/pool.ts";
import type {
  EndReason,
  EvictionReason,
  Pooled,
  PoolHooks,
  Purpose,
} from "../pool/types.ts";

/** Idle for longer than this, in milliseconds, a connection is asked before it is lent. */
const VALIDATE_AFTER_MS = 1000;
/** How long it may take to answer then, in milliseconds. */
const VALIDATE_TIMEOUT_MS = 1000;
/** Connections that are opened for leases at the same time. */
export const MAX_CONNECTING = 4;

/** Why a connection is closed, in words: events tell it, and the errors of what it cuts. */
const MEANING: Readonly<Record<EvictionReason, string>> = {
  idle_timeout: "nobody wanted it for idle_timeout",
  max_lifetime: "its lifetime is over",
  made_room: "a lane needed its place",
  budget: "another database needed its place",
  closed: "closed by the manager",
  ended: "it ended by itself",
  invalid: "it did not answer before its next use",
  unclean: "what its last holder left could not be undone",
  discarded: "its holder let nobody have it after him",
  leaked: "its lease was collected without a release",
  lane_released: "its lane is not needed any more",
  unwanted: "nobody waits for it any more",
  connect_failed: "it never opened",
  moved: "it leads to a server that does not serve the database any more",
};

/** A connection of the pool; with a session if it is for leases. */
export class PooledConnection implements Pooled {
  /** Unique in the process. */
  readonly id: number;
  /** The connection. */
  readonly connection: Connection;
  /** What its holder does on it; a lane has no one holder. */
  readonly session: Session | undefined;

  /**
   * Wraps a connection for the pool.
   *
   * @param connection The connection.
   * @param session Its session, if it is for leases.
   */
  constructor(connection: Connection, session: Session | undefined) {
    this.id = connection.id;
    this.connection = connection;
    this.session = session;
  }

  /**
   * Calls back once when it has ended.
   *
   * @param fn Called with the reason.
   */
  onEnd(fn: (reason: EndReason) => void): void {
    this.connection.onEnd(fn);
  }
}

/** What a database's pool needs. */
export interface DatabasePoolParts {
  /** The database. */
  readonly config: RedisConfig;
  /** Opens connections. */
  readonly opener: Opener;
  /** What the holders of leases may do, and who judges their commands. */
  readonly session: SessionOptions;
  /** Reports through OpenTelemetry, if anything does. */
  readonly telemetry: DatabaseTelemetry | undefined;
  /** Told of each connection that has been opened. */
  readonly opened: (connection: Connection) => void;
  /** The manager's common limit, if it has one. */
  readonly budget: ConnectionBudget | undefined;
  /** Ids of the leased connections that the database itself holds. */
  readonly ours: ReadonlySet<number>;
  /** Reports events. */
  readonly emit: Emit;
  /** Time. */
  readonly clock: Clock;
}

/**
 * A database's pool: lanes and leases under one limit.
 *
 * @param parts What it needs.
 * @returns The pool; nothing is open yet.
 */
export function makePool(parts: DatabasePoolParts): Pool<PooledConnection> {
  const { budget, clock, config, telemetry } = parts;
  const open = async (signal: AbortSignal, purpose: Purpose) => {
    const connect = () => parts.opener.open(purpose, signal);
    const connection = await (telemetry?.connect(purpose, connect) ?? connect());
    parts.opened(connection);
    const isLane = purpose === "lane";
    return new PooledConnection(
      connection,
      isLane ? undefined : new Session(connection, parts.session),
    );
  };
  return new Pool<PooledConnection>(
    {
      ...config,
      database: config.name,
      maxConnecting: MAX_CONNECTING,
      validateAfterMs: VALIDATE_AFTER_MS,
    },
    {
      create: open,
      recycle: ({ session }) => session?.clean() ?? false,
      validate: ({ connection }) => connection.ask(VALIDATE_TIMEOUT_MS, "ping"),
      destroy: ({ connection }, reason, words = MEANING[reason]) =>
        connection.close({ kind: "closed", text: words }),
      unreachable: () => parts.opener.trouble.error,
    },
    clock,
    makeHooks(parts),
    budget,
  );
}

function makeHooks(parts: DatabasePoolParts): PoolHooks<PooledConnection> {
  const { config, emit, ours, telemetry } = parts;
  return {
    ...(telemetry === undefined ? {} : {
      opened: (_connection, _purpose, tookMs) => telemetry.opened(tookMs),
      acquired: (waitedMs) => telemetry.acquired(waitedMs),
      released: (usedMs) => telemetry.released(usedMs),
    }),
    leak: ({ collected, connectionId, heldMs, stack }) => {
      if (!collected && ours.has(connectionId)) return;
      emit("leak", {
        database: config.name,
        kind: collected ? "collected" : "held",
        heldMs,
        ...(stack === undefined ? {} : { stack }),
      });
    },
  };
}
