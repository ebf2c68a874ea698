import type { LoadResult } from "./load.ts";
import type { RivalName } from "./rivals.ts";
import { type Scenario, SCENARIOS } from "./scenarios.ts";
import type { Request } from "./worker.ts";

/** A rival that is open in a worker of its own. */
export class Member implements AsyncDisposable {
  readonly #worker: Worker;

  private constructor() {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), {
      type: "module",
    });
  }

  /**
   * Opens a rival.
   *
   * @param rival Its name.
   * @param url The server.
   * @returns The open rival.
   */
  static async open(rival: RivalName, url: string): Promise<Member> {
    const member = new Member();
    await member.#ask({ kind: "open", rival, url });
    return member;
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
    return await this.#ask({ kind: "run", scenario: index, durationMs }) as LoadResult;
  }

  /** Closes its connections and ends the worker. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ask({ kind: "close" });
    this.#worker.terminate();
  }

  #ask(request: Request): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = ({ message }) => reject(new Error(message));
    this.#worker.postMessage(request);
    return promise;
  }
}
