/** A server, a relay in front of it, and a manager that goes through the relay. */
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { RedisServer, type RedisServerOptions } from "../../support/redis_server.ts";
import { Relay, type RelayOptions } from "../../support/relay.ts";

export { assertTook, type Reading, Stopwatch, timed } from "../../support/stopwatch.ts";

/** What {@linkcode onStage} hands to a row. */
export interface Stage {
  /** The server. */
  readonly server: RedisServer;
  /** What stands in front of it. */
  readonly relay: Relay;
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
  readonly relay?: Omit<RelayOptions, "to">;
}

/** Whether every repetition of the matrix is asked for: `deno task test:faults` does. The
 * whole suite runs fewer of what takes its time. */
export const IS_FULL: boolean = Deno.env.get("MOORING_FAULTS") === "full";

/** Short waits between attempts, so that rows are quick. */
export const QUICK_RETRY = {
  attempts: 5,
  minMs: 20,
  maxMs: 100,
  multiplier: 2,
  jitter: 0,
} as const;

/** Runs a row; afterwards nothing may be left open on the server. */
export async function onStage(
  options: StageOptions,
  row: (stage: Stage) => Promise<void>,
): Promise<void> {
  await using server = await RedisServer.start(options.server);
  await using relay = await Relay.start({ to: server, ...options.relay });
  {
    await using manager = new RedisConnectionManager({
      host: relay.host,
      port: relay.port,
      commandTimeoutMs: 5000,
      connectTimeoutMs: 3000,
      connectRetry: QUICK_RETRY,
      databases: { main: { db: 0 } },
      ...options.manager,
    });
    await row({ server, relay, manager });
  }
  relay.heal();
  if (server.running) await assertNoConnectionsLeft(server, "mooring:");
}
