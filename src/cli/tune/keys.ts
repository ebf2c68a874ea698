/** Keys live so long, in seconds, should nobody remove them: after a SIGKILL. */
export const KEY_SECONDS = 3600;
/** Keys of one size of values that a sweep reads and writes. */
export const KEYS_PER_SIZE = 64;

/** The keys that one run touches; no other. */
export class TuneKeys {
  /** What all of them begin with; one hash slot, so that a pipeline is one on a cluster. */
  readonly prefix: string;
  readonly #sizes = new Set<number>();

  /**
   * Chooses a prefix that no other run has.
   *
   * @param id What tells this run from others.
   */
  constructor(id: string = crypto.randomUUID().slice(0, 8)) {
    this.prefix = `mooring:tune:{${id}}:`;
  }

  /** List that jobs are pushed to. */
  get jobs(): string {
    return `${this.prefix}jobs`;
  }

  /**
   * The keys of one size of values.
   *
   * @param bytes Bytes of a value.
   * @returns The keys; from now on they are among {@linkcode all}.
   */
  of(bytes: number): readonly string[] {
    this.#sizes.add(bytes);
    return Array.from({ length: KEYS_PER_SIZE }, (_, i) => `${this.prefix}${bytes}:${i}`);
  }

  /** Every key that may exist. */
  all(): string[] {
    return [this.jobs, ...[...this.#sizes].flatMap((bytes) => this.of(bytes))];
  }
}
