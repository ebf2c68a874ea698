import { SentinelFailure } from "./client.ts";

/**
 * Which failover was known last. Sentinels number them (`config-epoch`): one whose number is
 * smaller was cut off from the others, and still calls the old primary the primary. That
 * one may live, and say so itself; what is written there is lost when it follows the new one.
 *
 * Where most sentinels have a smaller number, they were set up anew, and count.
 *
 * @example Usage
 * ```ts
 * import { SentinelEpochs } from "./sentinel_epochs.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const epochs = new SentinelEpochs();
 * epochs.note(5);
 * assertEquals([epochs.isBehind(4), epochs.isBehind(5)], [true, false]);
 * assertEquals(epochs.latestOf([{ epoch: 4 }], 3), undefined);
 * assertEquals(epochs.latestOf([{ epoch: 0 }, { epoch: 4 }], 3), { epoch: 4 });
 * ```
 */
export class SentinelEpochs {
  #known = 0;

  /**
   * Takes the word of a sentinel; one that is late changes nothing.
   *
   * @param epoch Number of the failover that it knows of; `undefined` if it does not tell.
   */
  note(epoch: number | undefined): void {
    this.#known = Math.max(this.#known, epoch ?? 0);
  }

  /** Forgets what was known: the sentinels were set up anew. */
  forget(): void {
    this.#known = 0;
  }

  /**
   * Whether a sentinel knows of less than was known before.
   *
   * @param epoch Its number; one that does not tell is believed.
   * @returns `true` if it does.
   */
  isBehind(epoch: number | undefined): boolean {
    return epoch !== undefined && epoch < this.#known;
  }

  /**
   * Why a sentinel that is behind is of no use.
   *
   * @param epoch Its number.
   * @returns The failure.
   */
  failureOf(epoch: number | undefined): SentinelFailure {
    return new SentinelFailure(
      "behind",
      `it is behind: it knows of failover ${epoch}, and ${this.#known} was known before`,
    );
  }

  /**
   * Whom to believe where all that answered are behind.
   *
   * @param behind Those that answered.
   * @param sentinels How many sentinels there are.
   * @returns The one that knows of most, if they are more than half of all.
   */
  latestOf<S extends { readonly epoch: number | undefined }>(
    behind: readonly S[],
    sentinels: number,
  ): S | undefined {
    if (behind.length * 2 <= sentinels) return undefined;
    return [...behind].sort((a, b) => (b.epoch ?? 0) - (a.epoch ?? 0))[0];
  }
}
