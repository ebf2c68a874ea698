/** What a violation is explained by: what went through the relays last. */
import type { ProxyRecorder } from "../support/proxy_recorder.ts";

/** Explanations that are written at most: the first ones say most. */
const MOST = 10;

/** Writes a file for a violation when it is noticed. */
export class Explanations {
  readonly #recorders: ReadonlyMap<string, ProxyRecorder>;
  readonly #folder: string;
  readonly #say: (line: string) => void;
  #count = 0;

  /**
   * Writes nothing yet.
   *
   * @param recorders What remembers, by database.
   * @param folder Where the files go; made when the first one is written.
   * @param say Takes a line for whoever watches.
   */
  constructor(
    recorders: ReadonlyMap<string, ProxyRecorder>,
    folder: string,
    say: (line: string) => void,
  ) {
    this.#recorders = recorders;
    this.#folder = folder;
    this.#say = say;
  }

  /** Something happens to all of a database's connections: the files say when. */
  event(database: string, text: string): void {
    this.#recorders.get(database)?.event(text);
  }

  /**
   * Writes what is remembered now.
   *
   * @param violations What is wrong, in words.
   * @param about Keys and the like: the chunks that hold one are shown apart.
   */
  write(violations: readonly string[], about: readonly string[] = []): void {
    for (const violation of violations) this.#say(`VIOLATION: ${violation}`);
    if (violations.length === 0 || this.#count === MOST) return;
    const path = `${this.#folder}/violation-${++this.#count}.txt`;
    const dumps = [...this.#recorders].map(([database, recorder]) =>
      `\n── ${database} ──\n${recorder.dump({ about })}`
    );
    // At once, and not later: what is remembered is overwritten.
    Deno.mkdirSync(this.#folder, { recursive: true });
    Deno.writeTextFileSync(path, `${violations.join("\n")}\n${dumps.join("\n")}\n`);
    this.#say(`  the last frames of each connection: ${path}`);
  }
}
