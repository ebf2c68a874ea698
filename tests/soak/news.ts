/** Whether what was published arrives in order, once, and with every gap told. */

/** Follows one channel of numbered messages. */
export class News {
  readonly #faults: string[] = [];
  /** Numbers whose publishing was acknowledged, and that have not been heard. */
  readonly #unheard = new Set<number>();
  #next = 1;
  #last = 0;
  #received = 0;
  #gaps = 0;

  /** What went wrong, in words. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  /** Messages and gaps so far. */
  get counts(): { received: number; gaps: number } {
    return { received: this.#received, gaps: this.#gaps };
  }

  /** Publishes the next number; its failure is thrown on. */
  async publish(send: (text: string) => Promise<unknown>): Promise<void> {
    const number = this.#next++;
    await send(String(number));
    // What came before its acknowledgement needs none.
    if (number > this.#last) this.#unheard.add(number);
  }

  /** A message came. */
  heard(text: string): void {
    const number = Number(text);
    this.#received++;
    if (number <= this.#last) {
      this.#faults.push(`message ${number} came after ${this.#last}`);
    }
    for (const each of this.#unheard) {
      if (each < number) {
        this.#faults.push(`message ${each} is missing before ${number}, no gap was told`);
      }
    }
    this.#unheard.clear();
    this.#last = Math.max(this.#last, number);
  }

  /** Messages may be missing. */
  gap(): void {
    this.#gaps++;
    this.#unheard.clear();
  }
}
