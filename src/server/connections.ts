import type { Connection } from "../connection/connection.ts";
import type { Connector } from "../connection/connector.ts";
import { CredentialRenewal } from "../connection/credential_renewal.ts";
import type { CloseReason } from "../connection/pending_command.ts";
import { Session } from "../connection/session.ts";
import type { LaneSet } from "../pool/lanes.ts";
import { Pool } from "../pool/pool.ts";
import type { EvictionReason, PoolHooks, Purpose } from "../pool/types.ts";
import { readTlsMaterial } from "../transport/channel.ts";
import { openDenoChannel } from "../transport/deno_channel.ts";
import { openNodeChannel } from "../transport/node_channel.ts";
import { PooledConnection } from "./lease.ts";
import type { ServerContext } from "./topology.ts";

/** The options of an opener that are settings: most have the same name. */
export function openerSettings(
  { clock, config, openChannel }: Pick<ServerContext, "clock" | "config" | "openChannel">,
) {
  const { tls } = config;
  return {
    ...config,
    database: config.name,
    silenceLimitMs: config.commandTimeoutMs,
    heartbeatMs: config.healthCheckIntervalMs,
    retry: config.connectRetry,
    openChannel: openChannel ??
      (config.transport === "deno" ? openDenoChannel : openNodeChannel),
    clock,
    keepalive: config.socketKeepalive ? config.socketKeepaliveOptions : undefined,
    tls: tls.enabled ? (signal: AbortSignal) => readTlsMaterial(tls, signal) : undefined,
  };
}

/** Idle for longer than this, in milliseconds, a connection is sent a PING before it is
 * leased. */
const VALIDATE_AFTER_MS = 1000;
/** How long it may take to answer, in milliseconds. */
const VALIDATE_TIMEOUT_MS = 1000;
/** Most connections that are opened for leases at the same time. */
export const MAX_CONNECTING = 4;

/** Why a connection is closed, in words: part of events, and of the errors of commands that
 * were in flight. */
const EVICTION_TEXTS: Readonly<Record<EvictionReason, string>> = {
  idle_timeout: "idle longer than idle_timeout",
  max_lifetime: "its lifetime is over",
  made_room: "a lane needed its place",
  budget: "another database needed its place",
  closed: "closed by the manager",
  ended: "it ended by itself",
  invalid: "it did not answer before its next use",
  unclean: "what its last holder left could not be undone",
  discarded: "discarded by its holder",
  leaked: "its lease was collected without a release",
  lane_released: "its lane is not needed any more",
  unwanted: "no caller waits for it any more",
  connect_failed: "it never opened",
  moved: "it leads to a server that does not serve the database any more",
};

/**
 * Makes the pool of a server: lanes and leases under one limit.
 *
 * @param opened Called for each connection that was opened.
 * @param internal Ids of the connections that the database leases to itself: how long it
 * holds them is no leak.
 */
export function makePool(
  context: ServerContext,
  opener: Connector,
  opened: ServerContext["opened"],
  internal: ReadonlySet<number>,
): Pool<PooledConnection> {
  const { clock, config, leaseOwner, limit, ownWrites, placeKeys, telemetry } = context;
  const { timeoutOf } = context;
  const session = {
    db: config.db,
    decodeResponses: config.decodeResponses,
    resetTimeoutMs: config.commandTimeoutMs,
    owner: leaseOwner,
    timeoutOf,
    observer: telemetry,
    placeKeys,
    ownWrites,
  };
  const create = async (signal: AbortSignal, purpose: Purpose) => {
    const connect = () => opener.open(purpose, signal);
    const connection = await (telemetry?.connect(purpose, connect) ?? connect());
    opened(connection, purpose);
    return new PooledConnection(
      connection,
      purpose === "lane" ? undefined : new Session(connection, session),
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
      create,
      recycle: ({ session }) => session?.clean() ?? false,
      validate: ({ connection }) => connection.ask(VALIDATE_TIMEOUT_MS, "ping"),
      destroy: ({ connection }, reason, text = EVICTION_TEXTS[reason]) =>
        connection.close({ kind: "closed", text }),
      unreachable: () => opener.failures.error,
    },
    clock,
    makeHooks(context, internal),
    limit,
  );
}

function makeHooks(
  { config, emit, telemetry }: ServerContext,
  internal: ReadonlySet<number>,
): PoolHooks<PooledConnection> {
  return {
    ...(telemetry && {
      opened: (_connection, _purpose, tookMs) => telemetry.took("create", tookMs),
      acquired: (waitedMs) => telemetry.took("wait", waitedMs),
      released: (usedMs) => telemetry.took("use", usedMs),
    }),
    leak: ({ collected, connectionId, heldMs, stack }) => {
      if (!collected && internal.has(connectionId)) return;
      emit("leak", {
        database: config.name,
        kind: collected ? "collected" : "held",
        heldMs,
        ...(stack !== undefined && { stack }),
      });
    },
  };
}

/**
 * Makes what authenticates the connections of a server anew before their credentials
 * expire; `undefined` if no provider gives the password, so that it cannot expire.
 */
export function makeCredentialRenewal(
  { clock, config, emit, nearCache }: ServerContext,
  pool: Pool<PooledConnection>,
  lanes: LaneSet,
): CredentialRenewal<Connection> | undefined {
  const { commandTimeoutMs, connectTimeoutMs, name: database, password, username } =
    config;
  if (password === undefined || !password.isProvided) return undefined;
  return new CredentialRenewal<Connection>({
    ask: () => password.credentials(),
    username,
    // As for a new connection, whose deadline includes the provider.
    askTimeoutMs: connectTimeoutMs,
    timeoutMs: commandTimeoutMs,
    judge: () => {
      const sessions = new Map(
        pool.connections().map(({ connection }) =>
          [connection.connection, connection.session] as const
        ),
      );
      // A lane has no session: what must stay together on it is written together.
      return (connection) => sessions.get(connection)?.interruptible ?? "now";
    },
    authenticated: (connection) => nearCache?.forgetReadsOf(connection),
    replace: (connection, reason) => {
      lanes.replace(connection, reason);
      const isIt = (pooled: PooledConnection) => pooled.connection === connection;
      pool.evict(isIt, false, "max_lifetime");
      // Its holder keeps it; it is not leased again.
      pool.connections()
        .find((open) => isIt(open.connection))?.connection.session?.poison();
    },
    warn: (message) => emit("warning", { database, message }),
    clock,
  });
}

/** Who is called when a connection was lost. */
interface TrackerHooks {
  /** Called before the event is emitted. */
  readonly lost: (connection: Connection) => void;
  /** Called after it. */
  readonly troubled: () => void;
}

/**
 * The open connections to one server: counts them, and emits an event when one is opened
 * and when it has ended.
 */
export class ConnectionTracker {
  readonly #context: Pick<ServerContext, "config" | "emit" | "statistics">;
  readonly #hooks: TrackerHooks;
  readonly #open = new Set<Connection>();
  #opened = 0;

  constructor(
    context: Pick<ServerContext, "config" | "emit" | "statistics">,
    hooks: TrackerHooks,
  ) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /** How many have been opened so far. */
  get opened(): number {
    return this.#opened;
  }

  /** Tracks a connection that was opened. */
  add(connection: Connection): void {
    this.#opened++;
    this.#open.add(connection);
    const { config, emit, statistics } = this.#context;
    statistics.traffic.opened(connection.stream);
    const { id, endpoint } = connection;
    emit("connection", { database: config.name, action: "opened", id, endpoint });
    // Called at once if it has ended already.
    connection.onEnd(this.#ended);
  }

  /** Closes every connection at once. */
  closeAll(): void {
    const reason: CloseReason = { kind: "closed", text: "closed by the manager" };
    for (const connection of [...this.#open]) connection.close(reason);
  }

  /** One function for all: a closure per connection would live as long as it is open. */
  readonly #ended = ({ kind, text }: CloseReason, connection: Connection): void => {
    const { config, emit, statistics } = this.#context;
    this.#open.delete(connection);
    statistics.traffic.ended(connection.stream);
    const isLost = kind !== "closed";
    if (isLost) this.#hooks.lost(connection);
    const { id, endpoint } = connection;
    emit("connection", {
      database: config.name,
      action: "closed",
      id,
      endpoint,
      end: kind,
      reason: text,
    });
    if (isLost) this.#hooks.troubled();
  };
}
