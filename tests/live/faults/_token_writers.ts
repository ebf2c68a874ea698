/** Callers that write tokens, for the faults in which a primary is lost. */
import type { RedisConnectionManager } from "../../../mod.ts";
import {
  type Delivery,
  deliveryOf,
  TokenLedger,
  type TokenVerdict,
} from "../../support/accounting.ts";
import { delay } from "../../support/clients.ts";

/** A write that was acknowledged. */
export interface Written {
  /** The list that it went to. */
  readonly key: string;
  /** When its caller began, before he had a connection, on the clock of
   * `performance.now()`. */
  readonly begunAt: number;
  /** Whether the primary said (WAIT) that a replica has it. */
  readonly confirmed: boolean;
}

/** What became of all writes. */
export interface TokenBooks extends Omit<TokenVerdict, "lost" | "ok"> {
  /** Acknowledged and not there. */
  readonly lost: readonly Written[];
  /** How many were acknowledged, and of how many of these a replica was known to be. */
  readonly acknowledged: number;
  readonly confirmed: number;
  /** How many were told as ambiguous. */
  readonly ambiguous: number;
}

/** Appends a token to a list; says whether a replica is known to have it. */
type Write = (key: string, token: string) => Promise<boolean>;

/** Pause of a caller between two writes, in milliseconds. */
const PAUSE_MS = 2;
/** How long a replica may take to say that it has a write, in milliseconds. */
const CONFIRM_MS = 500;

/** What a server itself refuses, it has not done: NOREPLICAS, MOVED on a lease. */
export function classify(error: unknown): Delivery {
  return (error as Error).name === "ReplyError" ? "rejected" : deliveryOf(error);
}

/** Writers until they are stopped, one for each key. Disposed of, they stop. */
export class TokenWriters implements Disposable {
  /** What callers were told, the first 1,000 of it. */
  readonly failures: unknown[] = [];
  /** When the first failure was told, on the clock of `performance.now()`. */
  firstFailureAt: number | undefined;
  readonly #ledger = new TokenLedger();
  readonly #written = new Map<string, Written>();
  readonly #keys: readonly string[];
  readonly #callers: readonly Promise<void>[];
  #running = true;
  #ambiguous = 0;

  /**
   * Begins to write.
   *
   * @param keys The lists: each has a writer of its own, and one may be there twice.
   * @param write Appends a token.
   */
  constructor(keys: readonly string[], write: Write) {
    this.#keys = [...new Set(keys)];
    this.#callers = keys.map((key) => this.#call(key, write));
  }

  /** How many writes were acknowledged so far. */
  get acknowledged(): number {
    return this.#written.size;
  }

  /** How many of these a replica was known to have so far. */
  get confirmed(): number {
    return [...this.#written.values()].filter(({ confirmed }) => confirmed).length;
  }

  /** Lets the writers finish what they do, and no more. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#callers);
  }

  [Symbol.dispose](): void {
    this.#running = false;
  }

  /** Compares with what the servers have. */
  async books(list: (key: string) => Promise<string[]>): Promise<TokenBooks> {
    const there: string[] = [];
    for (const key of this.#keys) there.push(...await list(key));
    const { ok: _, lost, ...verdict } = this.#ledger.verdict(there);
    return {
      ...verdict,
      lost: lost.map((token) => this.#written.get(token)!),
      acknowledged: this.acknowledged,
      confirmed: this.confirmed,
      ambiguous: this.#ambiguous,
    };
  }

  async #call(key: string, write: Write): Promise<void> {
    while (this.#running) {
      const begunAt = performance.now();
      const outcome = await this.#ledger.run(async (token) => {
        const confirmed = await write(key, token);
        this.#written.set(token, { key, begunAt, confirmed });
      }, (error) => {
        this.firstFailureAt ??= performance.now();
        if (this.failures.length < 1000) this.failures.push(error);
        return classify(error);
      });
      if (outcome === "ambiguous") this.#ambiguous++;
      await delay(PAUSE_MS);
    }
  }
}

/**
 * Writes on a lease, and asks behind each write whether a replica has it: that is what a
 * caller can do who must not lose what was acknowledged.
 */
export function durableWrite(manager: RedisConnectionManager, isCluster: boolean): Write {
  return async (key, token) => {
    await using lease = await manager.acquire("main", isCluster ? { key } : {});
    const { client } = lease;
    await client.rpush(key, token);
    const replicas = await client.wait(1, CONFIRM_MS).catch(() => 0);
    return replicas >= 1;
  };
}
