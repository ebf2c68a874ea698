import type { Connection } from "../connection/connection.ts";
import { type LoadingProgress, waitUntilReady } from "../connection/readiness.ts";
import type { Clock } from "../core/clock.ts";

/** What a loading watch needs. */
export interface LoadingWatchOptions {
  /** Name of the database. */
  readonly database: string;
  /** Longest time that it watches, in milliseconds. */
  readonly timeoutMs: number;
  /** How long one answer may take, in milliseconds. */
  readonly answerTimeoutMs: number;
  /** Told at each look at a server that is loading. */
  readonly progress: (progress: LoadingProgress, waitedMs: number) => void;
  /** Told when it is over, one way or the other. */
  readonly over: () => void;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Follows a server that began to load its data while connections to it were open, from
 * the first reply that says so until it serves again. It only reports: commands that
 * were refused come back by themselves.
 */
export class LoadingWatch {
  readonly #options: LoadingWatchOptions;
  #watching = false;

  /**
   * Makes a watch.
   *
   * @param options What it needs.
   */
  constructor(options: LoadingWatchOptions) {
    this.#options = options;
  }

  /**
   * Takes note that a server does not serve yet; follows one at a time.
   *
   * @param connection A connection to it.
   */
  async notice(connection: Connection): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    const { database, timeoutMs, answerTimeoutMs, progress, clock } = this.#options;
    const ended = new AbortController();
    connection.onEnd(({ text }) => ended.abort(new Error(text)));
    try {
      await waitUntilReady({
        database,
        timeoutMs,
        ping: () => ask(connection, answerTimeoutMs, "ping"),
        info: async () => String(await ask(connection, answerTimeoutMs, "info")),
        progress,
        clock,
        signal: ended.signal,
      });
    } catch {
      // The connection ended, or it takes too long: those who open another one are told.
    } finally {
      this.#watching = false;
      this.#options.over();
    }
  }
}

/** The reply, or the error reply as an exception. */
async function ask(
  connection: Connection,
  timeoutMs: number,
  name: string,
): Promise<unknown> {
  const answer = await connection.query(timeoutMs, name);
  if (answer === undefined) throw new Error(`no answer within ${timeoutMs} ms`);
  if ("error" in answer) throw answer.error;
  return answer.reply;
}
