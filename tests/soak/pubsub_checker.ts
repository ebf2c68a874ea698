/** Checks that messages arrive in order, once, and that every gap is reported. */

/** Checks one channel of numbered messages. */
export class PubSubChecker {
  readonly #wrong: (what: string) => void;
  /** Numbers whose publishing was acknowledged, and that have not arrived. */
  readonly #outstanding = new Set<number>();
  #next = 1;
  #last = 0;
  /** The last number that was sent before a gap was reported. */
  #excused = 0;
  #received = 0;
  #gaps = 0;

  /**
   * Creates a checker.
   *
   * @param wrong Called with a description of each violation.
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
    // A message that arrived, or fell into a gap, before its acknowledgement is done.
    if (number > Math.max(this.#last, this.#excused)) this.#outstanding.add(number);
  }

  /** Records a message that arrived. */
  onMessage(text: string): void {
    const number = Number(text);
    this.#received++;
    if (number <= this.#last) {
      this.#wrong(`message ${number} came after ${this.#last}`);
    }
    for (const each of this.#outstanding) {
      if (each < number) {
        this.#wrong(`message ${each} is missing before ${number}, no gap was reported`);
      }
    }
    this.#outstanding.clear();
    this.#last = Math.max(this.#last, number);
  }

  /** Records a gap: messages may be missing. */
  onGap(): void {
    this.#gaps++;
    this.#excused = this.#next - 1;
    this.#outstanding.clear();
  }
}
