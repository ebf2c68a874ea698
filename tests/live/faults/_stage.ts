/** A server, a relay in front of it, and a manager that goes through the relay. */
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";
import { FaultProxy, type FaultProxyOptions } from "../../../src/testing/fault_proxy.ts";
import {
  RedisServer,
  type RedisServerOptions,
} from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft, waitFor } from "../../support/clients.ts";
import { assertNothingHeld } from "../../support/left_over.ts";

export { assertTook, type Reading, Stopwatch, timed } from "../../support/stopwatch.ts";

/** What {@linkcode onStage} hands to a row. */
export interface Stage {
  /** The server. */
  readonly server: RedisServer;
  /** What stands in front of it. */
  readonly relay: FaultProxy;
  /** A manager with one database, `main`, behind the relay. */
  readonly manager: RedisConnectionManager;
}

/** Settings of a row. */
export interface StageOptions {
  /** The manager's settings. */
  readonly manager?: ManagerOptions;
  /** The server's settings. */
  readonly server?: RedisServerOptions;
  /** The relay's settings. */
  readonly relay?: Omit<FaultProxyOptions, "to">;
}

/** Whether every repetition of the matrix is asked for: `deno task test:faults` does. The
 * whole suite runs fewer of what takes its time. */
export const IS_FULL: boolean = Deno.env.get("MOORING_FAULTS") === "full";

/** Short waits between attempts, so that tests are quick. */
export const QUICK_RETRY = {
  attempts: 5,
  minMs: 20,
  maxMs: 100,
  multiplier: 2,
  jitter: 0,
} as const;

/**
 * Throws unless the server lists as many connections of each database as its pool counts,
 * and nobody waits or is in flight, sooner or later: connections that were lost on their
 * way are noticed on both sides at their own time.
 */
export async function assertCountsAgree(
  server: RedisServer,
  manager: RedisConnectionManager,
): Promise<void> {
  for (const { name } of manager.listDatabases()) {
    let last = "";
    await waitFor(async () => {
      const listed = (await server.clientList(`mooring:${name}:`)).length;
      const { lanes, leases, idleConnections, connecting, waiting, inFlight } = manager
        .getPoolStatistics(name);
      last = Deno.inspect({
        listed,
        lanes,
        leases,
        idleConnections,
        connecting,
        waiting,
      });
      return listed === lanes + leases + idleConnections &&
        connecting + waiting + inFlight === 0;
    }, { timeoutMs: 20_000 }).catch((cause) => {
      throw new Error(`The server and the pool of ${name} disagree: ${last}`, { cause });
    });
  }
}

/** Runs a row; afterwards nothing may be left open on the server, nor held by the manager. */
export async function onStage(
  options: StageOptions,
  row: (stage: Stage) => Promise<void>,
): Promise<void> {
  await using server = await RedisServer.start(options.server);
  await using relay = await FaultProxy.start({ to: server, ...options.relay });
  let closed: RedisConnectionManager;
  {
    await using manager = new RedisConnectionManager({
      host: relay.host,
      port: relay.port,
      // Shorter than the defaults: many rows connect again and again, and show the same. Rows
      // 49 to 52 have the defaults (`withDefaults`).
      connectTimeoutMs: 3000,
      connectRetry: QUICK_RETRY,
      databases: { main: { db: 0 } },
      ...options.manager,
    });
    closed = manager;
    await row({ server, relay, manager });
    relay.heal();
    const isThere = relay.to === server && server.running && !manager.isClosed;
    if (isThere) await assertCountsAgree(server, manager);
  }
  assertNothingHeld(closed);
  if (server.running) await assertNoConnectionsLeft(server, "mooring:");
}
