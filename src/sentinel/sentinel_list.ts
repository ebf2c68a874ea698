import { describeEndpoint } from "../transport/channel.ts";

/** Where a sentinel listens. */
export interface SentinelAddress {
  /** Host name or address. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
}

/** Most sentinels that are remembered beside the configured ones. */
const MAX_LEARNED = 64;

/**
 * A sentinel's address in words, which is also what it is known by.
 *
 * @param address The address.
 * @returns Text such as `10.0.0.1:26379`.
 */
export function describeSentinel(address: SentinelAddress): string {
  return describeEndpoint({ kind: "tcp", ...address });
}

/**
 * Whom to ask, and in which order: who answered last goes first, then the configured
 * sentinels, then those that other sentinels told of; who was wrong goes last.
 * Configured ones are never forgotten.
 */
export class SentinelRoster {
  readonly #configured: readonly SentinelAddress[];
  #learned: readonly SentinelAddress[] = [];
  #preferred: string | undefined;
  /** Who was wrong, the last one at the end. */
  #distrusted: readonly string[] = [];

  /**
   * Begins with the configured sentinels, in their order.
   *
   * @param configured Their addresses.
   */
  constructor(configured: readonly SentinelAddress[]) {
    this.#configured = unique(configured);
  }

  /**
   * The sentinels in the order in which they are to be asked.
   *
   * @returns A list of its own.
   */
  inTurn(): SentinelAddress[] {
    const rank = (address: SentinelAddress) => {
      const name = describeSentinel(address);
      return name === this.#preferred ? -1 : this.#distrusted.indexOf(name) + 1;
    };
    // The sort is stable: among equals the order is that of the configuration.
    return unique([...this.#configured, ...this.#learned])
      .sort((a, b) => rank(a) - rank(b));
  }

  /**
   * A sentinel answered: it is asked first next time.
   *
   * @param address Its address.
   */
  answered(address: SentinelAddress): void {
    const name = this.#preferred = describeSentinel(address);
    this.#distrusted = this.#distrusted.filter((other) => other !== name);
  }

  /** Who answered last was wrong: it is asked last next time. */
  distrust(): void {
    // Several may find the same out; who answered is known for the first of them only.
    if (this.#preferred === undefined) return;
    this.#distrusted = [...this.#distrusted, this.#preferred].slice(-MAX_LEARNED);
    this.#preferred = undefined;
  }

  /**
   * A sentinel told of the others: they replace those learned before.
   *
   * @param from Who told; it does not name itself.
   * @param others Whom it told of.
   */
  learn(from: SentinelAddress, others: readonly SentinelAddress[]): void {
    this.#learned = unique([from, ...others]).slice(0, MAX_LEARNED);
  }
}

function unique(addresses: readonly SentinelAddress[]): SentinelAddress[] {
  return [
    ...new Map(addresses.map((each) => [describeSentinel(each), each])).values(),
  ];
}
