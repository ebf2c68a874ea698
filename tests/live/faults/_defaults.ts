/** A server and a manager with the settings that users get, and a caller that never stops. */
import { RedisConnectionManager } from "../../../mod.ts";
import type { ManagerEventMap } from "../../../src/core/events.ts";
import {
  RedisServer,
  type RedisServerOptions,
} from "../../../src/testing/redis_server.ts";
import { delay } from "../../support/clients.ts";
import { assertNothingHeld } from "../../support/left_over.ts";

/** What {@linkcode withDefaults} hands to a test. */
export interface DefaultStage {
  /** The server. */
  readonly server: RedisServer;
  /** A manager with one database, `main`, and no setting but the server's address. */
  readonly manager: RedisConnectionManager;
  /** Changes of the circuit breaker so far, as `closed open`. */
  readonly breaker: readonly string[];
}

/** Runs a test with the defaults: nothing is shortened so that it is quick. */
export async function withDefaults(
  test: (stage: DefaultStage) => Promise<void>,
  serverOptions: RedisServerOptions = {},
): Promise<void> {
  await using server = await RedisServer.start(serverOptions);
  const { host, port } = server;
  const manager = new RedisConnectionManager({ host, port, databases: { main: {} } });
  const breaker: string[] = [];
  manager.addEventListener(
    "breaker",
    ({ detail }: { detail: ManagerEventMap["breaker"] }) => {
      breaker.push(`${detail.from} ${detail.to}`);
    },
  );
  try {
    await test({ server, manager, breaker });
  } finally {
    await manager.closeAll({ drainMs: 0 });
  }
  assertNothingHeld(manager);
}

/** Calls again and again, without waiting for the outcomes, until it is stopped. */
export class SteadyCallers {
  /** Errors of the calls that failed, in order. */
  readonly errors: Error[] = [];
  /** Calls that succeeded. */
  served = 0;
  /** When a call succeeded last, by `performance.now()`. */
  servedAt = -Infinity;
  readonly #running: Promise<void>;
  readonly #open = new Set<Promise<void>>();
  #isStopped = false;

  /**
   * Begins.
   *
   * @param call A call.
   * @param everyMs Milliseconds from one to the next.
   */
  constructor(call: () => Promise<unknown>, everyMs = 10) {
    this.#running = this.#run(call, everyMs);
  }

  /** Calls no more, and waits for those that are open. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    await Promise.all(this.#open);
  }

  async #run(call: () => Promise<unknown>, everyMs: number): Promise<void> {
    while (!this.#isStopped) {
      const open = call().then(() => {
        this.served++;
        this.servedAt = performance.now();
      }, (error) => void this.errors.push(error)).finally(() => this.#open.delete(open));
      this.#open.add(open);
      await delay(everyMs);
    }
  }
}
