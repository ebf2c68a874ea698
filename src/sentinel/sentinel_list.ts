import type { NodeAddress } from "../config/settings.ts";
import { describeEndpoint } from "../transport/channel.ts";

/** Most sentinels that are remembered beside the configured ones. */
const MAX_LEARNED = 64;

/**
 * A sentinel's address in words, which also identifies it: `10.0.0.1:26379`.
 */
export function describeSentinel(address: NodeAddress): string {
  return describeEndpoint({ kind: "tcp", ...address });
}

/**
 * The sentinels in the order in which they are asked: the one that answered last comes
 * first, then the configured ones, then those that other sentinels listed. One that gave a
 * wrong answer comes last. Configured sentinels are never removed.
 */
export class SentinelList {
  readonly #configured: readonly NodeAddress[];
  #learned: readonly NodeAddress[] = [];
  #preferred: string | undefined;
  /** Those that gave a wrong answer, the latest at the end. */
  #demoted: readonly string[] = [];

  constructor(configured: readonly NodeAddress[]) {
    this.#configured = unique(configured);
  }

  /** The sentinels in the order in which they are to be asked: a new array. */
  inOrder(): NodeAddress[] {
    const rank = (address: NodeAddress) => {
      const name = describeSentinel(address);
      return name === this.#preferred ? -1 : this.#demoted.indexOf(name) + 1;
    };
    // The sort is stable: equal ranks keep the order of the configuration.
    return unique([...this.#configured, ...this.#learned])
      .sort((a, b) => rank(a) - rank(b));
  }

  /** A sentinel answered: it is asked first next time. */
  prefer(address: NodeAddress): void {
    const name = this.#preferred = describeSentinel(address);
    this.#demoted = this.#demoted.filter((other) => other !== name);
  }

  /** The sentinel that answered last was wrong: it is asked last next time. */
  demotePreferred(): void {
    // Several connections may find this out at once: only the first one demotes.
    if (this.#preferred === undefined) return;
    this.#demoted = [...this.#demoted, this.#preferred].slice(-MAX_LEARNED);
    this.#preferred = undefined;
  }

  /** A sentinel, which does not list itself, listed the others: replaces those learned
   * before. */
  learn(from: NodeAddress, others: readonly NodeAddress[]): void {
    this.#learned = unique([from, ...others]).slice(0, MAX_LEARNED);
  }
}

function unique(addresses: readonly NodeAddress[]): NodeAddress[] {
  return [
    ...new Map(addresses.map((each) => [describeSentinel(each), each])).values(),
  ];
}

/**
 * The newest failover that any sentinel knows. Sentinels number failovers (`config-epoch`).
 * A sentinel with a smaller number was cut off from the others and still names the old
 * primary, which may be up and call itself the primary; it loses what is written to it once
 * it follows the new one.
 *
 * If most sentinels have a smaller number, they were set up anew, and their answer counts.
 */
export class ConfigEpochs {
  #newest = 0;

  /** The newest epoch that was reported. */
  get newest(): number {
    return this.#newest;
  }

  /** Records the epoch of a sentinel; `undefined` if it does not report one. */
  record(epoch: number | undefined): void {
    this.#newest = Math.max(this.#newest, epoch ?? 0);
  }

  /** Forgets all epochs: the sentinels were set up anew. */
  reset(): void {
    this.#newest = 0;
  }

  /** Whether a sentinel knows fewer failovers than were reported before. */
  isStale(epoch: number | undefined): boolean {
    return epoch !== undefined && epoch < this.#newest;
  }

  /**
   * Picks the answer to use if all that came are stale: the newest, if they are from more
   * than half of all sentinels; else `undefined`.
   */
  newestOf<S extends { readonly epoch: number | undefined }>(
    stale: readonly S[],
    sentinels: number,
  ): S | undefined {
    if (stale.length * 2 <= sentinels) return undefined;
    return [...stale].sort((a, b) => (b.epoch ?? 0) - (a.epoch ?? 0))[0];
  }
}
