/** Whether what was published arrives in order, once, and with every gap told. */

/** Follows one channel of numbered messages. */
export class News {
  readonly #wrong: (what: string) => void;
  /** Numbers whose publishing was acknowledged, and that have not been heard. */
  readonly #unheard = new Set<number>();
  #next = 1;
  #last = 0;
  /** The last number that was sent before a gap was told. */
  #excused = 0;
  #received = 0;
  #gaps = 0;

  /**
   * Has heard nothing yet.
   *
   * @param wrong Told of what went wrong, in words.
   */
  constructor(wrong: (what: string) => void) {
    this.#wrong = wrong;
  }

  /** Messages and gaps so far. */
  get counts(): { received: number; gaps: number } {
    return { received: this.#received, gaps: this.#gaps };
  }

  /** Publishes the next number; its failure is thrown on. */
  async publish(send: (text: string) => Promise<unknown>): Promise<void> {
    const number = this.#next++;
    await send(String(number));
    // What came, or fell into a gap, before its acknowledgement needs none.
    if (number > Math.max(this.#last, this.#excused)) this.#unheard.add(number);
  }

  /** A message came. */
  heard(text: string): void {
    const number = Number(text);
    this.#received++;
    if (number <= this.#last) {
      this.#wrong(`message ${number} came after ${this.#last}`);
    }
    for (const each of this.#unheard) {
      if (each < number) {
        this.#wrong(`message ${each} is missing before ${number}, no gap was told`);
      }
    }
    this.#unheard.clear();
    this.#last = Math.max(this.#last, number);
  }

  /** Messages may be missing. */
  gap(): void {
    this.#gaps++;
    this.#excused = this.#next - 1;
    this.#unheard.clear();
  }
}
