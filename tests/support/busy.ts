/**
 * Processes that keep the machine busy, for tests that must hold then, too.
 *
 * @module
 */

import { ServerProcess } from "../../src/testing/server_process.ts";

/**
 * Processes that do nothing but use up a core each. They end with this process at the latest.
 *
 * @example
 * ```ts
 * await using _busy = new BusyProcesses(2);
 * ```
 */
export class BusyProcesses implements AsyncDisposable {
  readonly #processes: readonly ServerProcess[];

  /** Starts as many. */
  constructor(count: number) {
    this.#processes = Array.from({ length: count }, () =>
      ServerProcess.spawn({
        command: "sh",
        args: ["-c", "while :; do :; done"],
        logFile: "/dev/null",
      }));
  }

  /** Their process ids. */
  get pids(): readonly number[] {
    return this.#processes.map(({ pid }) => pid);
  }

  /** Ends them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.kill()));
  }
}
