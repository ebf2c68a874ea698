import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import type { NodeAddress } from "../config/settings.ts";
import { isAuthFailure } from "../connection/connect_failure.ts";
import { type HandshakeOptions, performHandshake } from "../connection/handshake.ts";
import { startHeartbeat } from "../connection/liveness.ts";
import { formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { backoffMs } from "../resilience/backoff.ts";
import { readRole, type SentinelClient } from "./client.ts";

interface SentinelWatchOptions {
  /** What the sentinels call the primary. */
  readonly name: string;
  /** Connects to the sentinel. */
  readonly open: (signal: AbortSignal) => Promise<SentinelClient>;
  /** Called at each failover with the new primary, and the sentinel that announced it. */
  readonly switched: (address: NodeAddress, by: SentinelClient) => void;
  /** Called with the replica that is about to be promoted. */
  readonly selected: (address: NodeAddress) => void;
  /** Called with the primary that the sentinel names when the subscription begins: what
   * happened before is not announced again. */
  readonly found: (address: NodeAddress, by: SentinelClient) => void;
  /** Silence after which the sentinel is sent a PING, in milliseconds. */
  readonly heartbeatMs: number;
  /** How long it may take to answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Pauses before a sentinel is connected again, in milliseconds. */
const RECONNECT = { minMs: 50, maxMs: 5000 };

/** Listens to one sentinel for failovers, and reconnects when the connection is lost. */
export class SentinelWatch {
  readonly #options: SentinelWatchOptions;
  readonly #stop = new AbortController();

  /** Connects at once. */
  constructor(options: SentinelWatchOptions) {
    this.#options = options;
    void this.#run();
  }

  close(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#listen(() => failures = 0);
      } catch {
        if (signal.aborted) return;
        const ms = backoffMs(++failures, RECONNECT, Math.random());
        await this.#options.clock.sleep(ms, { signal, ref: false }).catch(() => {});
      }
    }
  }

  /** Connects and subscribes; resolves when the connection is lost. */
  async #listen(connected: () => void): Promise<void> {
    const { clock, found, heartbeatMs: intervalMs, name, open, selected, switched } =
      this.#options;
    // Its signal closes it.
    const client = await open(this.#stop.signal);
    try {
      await client.listen(name, {
        selected,
        switched: (address) => switched(address, client),
      });
      // A failover may have happened before the subscription.
      const address = await client.primary(name);
      connected();
      const { timeoutMs } = this.#options;
      startHeartbeat(client.connection, { intervalMs, timeoutMs }, clock);
      found(address, client);
      await new Promise<void>((resolve) => client.connection.onEnd(() => resolve()));
    } finally {
      client.close();
    }
  }
}

interface PromotionWatchOptions {
  /** How a server of the database is connected to. */
  readonly handshake: HandshakeOptions;
  /** Deadline of connecting and of each command, in milliseconds. */
  readonly timeoutMs: number;
  /** Called when the replica reports that it is a primary. */
  readonly promoted: (address: NodeAddress) => void;
  readonly signal: AbortSignal;
}

/** Time between two ROLE commands, in milliseconds. */
const POLL_MS = 20;
/** How long a promotion may take, in milliseconds: after that the sentinels have given it
 * up, or announce it. */
const MAX_PROMOTION_MS = 10_000;

/**
 * Asks the replica that the sentinels have selected for a failover whether it is a primary.
 * The sentinels check once a second, and until they announce the switch, the old primary
 * acknowledges writes which are lost.
 *
 * A connection that outlives the promotion shows a coordinated failover: there the old
 * primary blocks writes, so that nothing is lost, and the sentinels end connections to the
 * new one later. The announcement is waited for in that case.
 *
 * Follows one replica at a time; a selection that is announced again does not restart it.
 */
export class PromotionWatch {
  readonly #options: PromotionWatchOptions;
  #selected: string | undefined;

  constructor(options: PromotionWatchOptions) {
    this.#options = options;
  }

  /** A replica has been selected. */
  selected(address: NodeAddress): void {
    const name = formatAddress(address);
    if (this.#selected === name) return;
    this.#selected = name;
    void this.#follow(address, name).finally(() => {
      if (this.#selected === name) this.#selected = undefined;
    });
  }

  async #follow(address: NodeAddress, name: string): Promise<void> {
    const { promoted, signal } = this.#options;
    const over = AbortSignal.any([signal, AbortSignal.timeout(MAX_PROMOTION_MS)]);
    while (this.#selected === name && !over.aborted) {
      try {
        // The promotion ends every connection to the replica: the next one shows it.
        if (await this.#isPrimary(address, name, over)) return promoted(address);
      } catch (error) {
        // Retrying cannot help.
        if (isAuthFailure(error)) return;
        await delay(POLL_MS, { signal: over }).catch(() => {});
      }
    }
  }

  /** Asks over one connection, until the replica is a primary or another one is selected. */
  async #isPrimary(
    address: NodeAddress,
    name: string,
    over: AbortSignal,
  ): Promise<boolean> {
    const { handshake, timeoutMs } = this.#options;
    const endpoint = address;
    const clientName = `mooring:${handshake.database}:promotion`;
    const stop = new AbortController();
    const within = AbortSignal.any([over, stop.signal]);
    try {
      const opening = performHandshake(handshake, endpoint, clientName, within);
      const { redis } = await deadline(opening, timeoutMs, { signal: over });
      for (let isFirst = true; this.#selected === name; isFirst = false) {
        const role = readRole(await deadline(redis.call("role"), timeoutMs));
        if (role !== "master") await delay(POLL_MS, { signal: over });
        else if (isFirst) return true;
        else this.#selected = undefined;
      }
      return false;
    } finally {
      // Ends the connection, and an attempt that is under way.
      stop.abort();
    }
  }
}
