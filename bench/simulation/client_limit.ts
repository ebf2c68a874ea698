import { Pool } from "../../src/pool/pool.ts";
import type { EndReason, Pooled } from "../../src/pool/types.ts";
import { MAX_CONNECTING } from "../../src/server/connections.ts";
import type { ByteChannel } from "../../src/transport/channel.ts";
import { ModelServer, type ServerCounts, type ServerModel } from "./model_server.ts";
import { SimClock } from "./sim_clock.ts";

/** Instances that use all connections their pools allow. */
export interface ClientLimitOptions {
  /** Processes that use the server. */
  readonly instances: number;
  /** Most connections of each (`max_connections`): one lane, the others leases. */
  readonly maxConnections: number;
  /** How long a lease is waited for, in milliseconds. */
  readonly acquireTimeoutMs: number;
  /** The server. */
  readonly server: ServerModel;
}

/** What became of them. */
export interface ClientLimitResult {
  /** Connections that the instances wanted. */
  readonly wanted: number;
  /** Those that they have. */
  readonly had: number;
  /** Those that they were refused. */
  readonly refused: number;
  /** Instances that have none at all. */
  readonly without: number;
  /** What the server counted. */
  readonly server: ServerCounts;
}

/** How long a rollout of all instances takes, in milliseconds. */
const ROLLOUT_MS = 30_000;
/** How long the last ones are watched, in milliseconds. */
const WATCH_MS = 10_000;
/** Promise hops from a channel that opens to the callers, and more. */
const HOPS = 12;
const PING = "*1\r\n$4\r\nping\r\n";

/** A connection without a client library: the server says by its answer that it took it. */
class BareConnection implements Pooled {
  static #lastId = 0;
  readonly id = ++BareConnection.#lastId;
  readonly #ends: ((reason: EndReason) => void)[] = [];

  static async open(server: ModelServer, signal: AbortSignal): Promise<BareConnection> {
    const channel = await server.openChannel(undefined, { signal });
    const connection = new BareConnection();
    await connection.#greet(channel);
    return connection;
  }

  onEnd(fn: (reason: EndReason) => void): void {
    this.#ends.push(fn);
  }

  #greet(channel: ByteChannel): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    channel.start({
      data: (bytes) => {
        // "-ERR max number of clients reached"
        if (bytes[0] === 0x2d) reject(new Error("refused"));
        else resolve();
      },
      close: () => this.#ends.forEach((end) => end({ text: "closed" })),
    });
    channel.write(PING);
    return promise;
  }
}

/**
 * Rolls instances out over half a minute; each opens its lane and takes as many leases as
 * its real pool gives, once each.
 *
 * @param options Who, and the server.
 * @returns Who has what in the end.
 */
export async function runClientLimit(
  options: ClientLimitOptions,
): Promise<ClientLimitResult> {
  const { instances, maxConnections } = options;
  const clock = new SimClock(HOPS);
  const server = new ModelServer(clock, options.server);
  let [had, refused] = [0, 0];
  const count = (opened: Promise<unknown>) =>
    opened.then(() => void had++, () => void refused++);
  const pools = Array.from({ length: instances }, () => makePool(options, server, clock));
  pools.forEach((pool, index) =>
    clock.setTimer(() => {
      void count(pool.openLane(new AbortController().signal));
      for (let n = 1; n < maxConnections; n++) void count(pool.acquire());
    }, index * ROLLOUT_MS / instances)
  );
  await clock.runUntil(ROLLOUT_MS + WATCH_MS);
  const isWithout = (pool: Pool<BareConnection>) => pool.connections().length === 0;
  return {
    wanted: instances * maxConnections,
    had,
    refused,
    without: pools.filter(isWithout).length,
    server: server.counts,
  };
}

function makePool(
  options: ClientLimitOptions,
  server: ModelServer,
  clock: SimClock,
): Pool<BareConnection> {
  return new Pool<BareConnection>(
    {
      database: "simulation",
      maxConnections: options.maxConnections,
      minConnections: 0,
      maxConnecting: MAX_CONNECTING,
      acquireTimeoutMs: options.acquireTimeoutMs,
      maxWaiting: options.maxConnections,
      idleTimeoutMs: 0,
      maxLifetimeMs: 0,
      validateAfterMs: Infinity,
      leakDetectionThresholdMs: 0,
    },
    {
      create: (signal) => BareConnection.open(server, signal),
      recycle: () => true,
      validate: () => Promise.resolve(true),
      destroy: () => {},
    },
    clock,
  );
}

/**
 * The largest pools with which no instance is refused.
 *
 * @param instances Processes that use the server.
 * @param maxClients What it takes (`maxclients`).
 * @returns Connections an instance; 0 where there are more instances than places.
 */
export function largestPool(instances: number, maxClients: number): number {
  return Math.floor(maxClients / instances);
}
