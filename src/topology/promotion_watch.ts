import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { isAuthFailure } from "../connection/connect_failure.ts";
import { type HandshakeOptions, shakeHands } from "../connection/handshake.ts";
import { formatAddress, type TcpAddress } from "../core/address.ts";
import { readRole } from "./sentinel_replies.ts";

/** What a watch needs. */
export interface PromotionWatchOptions {
  /** How a server of the database is connected to. */
  readonly handshake: HandshakeOptions;
  /** How long connecting and each answer may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Told when the replica says that it is a primary. */
  readonly promoted: (address: TcpAddress) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Time between two questions, in milliseconds. */
const EVERY_MS = 20;
/** How long a promotion may take: after that the sentinels have given it up, or tell. */
const MOST_MS = 10_000;

/**
 * Asks the replica that sentinels have selected for a failover whether it is a primary by
 * now. The sentinels look once a second, and until they tell, the old primary acknowledges
 * writes which are lost.
 *
 * A connection that outlives the promotion shows a coordinated failover: there the old
 * primary holds writes back, so that nothing is lost, and the sentinels end connections to
 * the new one later. Then their word is waited for.
 *
 * One replica at a time: a selection that is announced anew goes on with the same one.
 */
export class PromotionWatch {
  readonly #options: PromotionWatchOptions;
  #selected: string | undefined;

  /**
   * Asks nobody yet.
   *
   * @param options What it needs.
   */
  constructor(options: PromotionWatchOptions) {
    this.#options = options;
  }

  /**
   * A replica has been selected.
   *
   * @param address Where it is.
   */
  selected(address: TcpAddress): void {
    const name = formatAddress(address);
    if (this.#selected === name) return;
    this.#selected = name;
    void this.#follow(address, name).finally(() => {
      if (this.#selected === name) this.#selected = undefined;
    });
  }

  async #follow(address: TcpAddress, name: string): Promise<void> {
    const { promoted, signal } = this.#options;
    const over = AbortSignal.any([signal, AbortSignal.timeout(MOST_MS)]);
    while (this.#selected === name && !over.aborted) {
      try {
        // The promotion ends every connection to the replica: the next one tells.
        if (await this.#isPrimary(address, name, over)) return promoted(address);
      } catch (error) {
        // Waiting does not mend that.
        if (isAuthFailure(error)) return;
        await delay(EVERY_MS, { signal: over }).catch(() => {});
      }
    }
  }

  /** Asks over one connection, until the replica is a primary or another one is meant. */
  async #isPrimary(
    address: TcpAddress,
    name: string,
    over: AbortSignal,
  ): Promise<boolean> {
    const { handshake, timeoutMs } = this.#options;
    const endpoint = address;
    const called = `mooring:${handshake.database}:promotion`;
    const stop = new AbortController();
    const within = AbortSignal.any([over, stop.signal]);
    try {
      const opening = shakeHands(handshake, endpoint, called, within);
      const { redis } = await deadline(opening, timeoutMs, { signal: over });
      for (let isFirst = true; this.#selected === name; isFirst = false) {
        const role = readRole(await deadline(redis.call("role"), timeoutMs));
        if (role !== "master") await delay(EVERY_MS, { signal: over });
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
