import { LineProcess } from "../line_process.ts";
import type { LoadResult } from "./load.ts";
import type { RivalName } from "./rivals.ts";
import { type Scenario, SCENARIOS } from "./scenarios.ts";

/**
 * A rival that is open in a process of its own, so with a heap, a collector and compiled
 * code of its own: what one client leaves to the garbage collector is not paid by the next.
 */
export class Contender implements AsyncDisposable {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  /**
   * Opens a rival.
   *
   * @param rival Its name.
   * @param url The server.
   * @returns The open rival.
   */
  static async open(rival: RivalName, url: string): Promise<Contender> {
    const script = new URL("./contender_process.ts", import.meta.url);
    const folder = new URL("../../", import.meta.url).pathname;
    return new Contender(await LineProcess.start({ script, folder, args: [rival, url] }));
  }

  /**
   * Runs a load on it.
   *
   * @param scenario The load; one of the table's.
   * @param durationMs How long, in milliseconds.
   * @returns Throughput and p99.
   */
  async run(scenario: Scenario, durationMs: number): Promise<LoadResult> {
    const index = SCENARIOS.indexOf(scenario);
    return JSON.parse(await this.#process.ask(`${index} ${durationMs}`));
  }

  /** Closes its connections and ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
