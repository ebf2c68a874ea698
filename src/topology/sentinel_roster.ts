import { formatAddress, type TcpAddress } from "../core/address.ts";

/** Most sentinels that are remembered beside the configured ones. */
const MAX_LEARNED = 64;

/**
 * Whom to ask, and in which order: who answered last goes first, then the configured
 * sentinels, then those that other sentinels told of; who was wrong goes last.
 * Configured ones are never forgotten.
 */
export class SentinelRoster {
  readonly #configured: readonly TcpAddress[];
  #learned: readonly TcpAddress[] = [];
  #preferred: string | undefined;
  /** Who was wrong, the last one at the end. */
  #distrusted: readonly string[] = [];

  /**
   * Begins with the configured sentinels, in their order.
   *
   * @param configured Their addresses.
   */
  constructor(configured: readonly TcpAddress[]) {
    this.#configured = unique(configured);
  }

  /**
   * The sentinels in the order in which they are to be asked.
   *
   * @returns A list of its own.
   */
  inTurn(): TcpAddress[] {
    const rank = (address: TcpAddress) => {
      const name = formatAddress(address);
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
  answered(address: TcpAddress): void {
    const name = this.#preferred = formatAddress(address);
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
  learn(from: TcpAddress, others: readonly TcpAddress[]): void {
    this.#learned = unique([from, ...others]).slice(0, MAX_LEARNED);
  }
}

function unique(addresses: readonly TcpAddress[]): TcpAddress[] {
  return [
    ...new Map(addresses.map((each) => [formatAddress(each), each])).values(),
  ];
}
