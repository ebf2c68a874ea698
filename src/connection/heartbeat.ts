import type { Clock, Timer } from "../core/clock.ts";

/** What a heartbeat needs of its connection. */
export interface Beating {
  /** Whether it can be asked. */
  readonly isOpen: boolean;
  /** Commands sent and not answered. */
  readonly inFlight: number;
  /** When bytes came last, on the monotonic clock. */
  readonly lastReceivedAt: number;
  /** Asks the server something; resolves with whether it answered in time. */
  ask(timeoutMs: number, name: string): Promise<boolean>;
  /** Calls back once when the connection has ended. */
  onEnd(fn: () => void): void;
  /** Ends the connection. */
  close(reason: { readonly kind: "silent"; readonly text: string }): void;
}

/** Times of a heartbeat, in milliseconds. */
export interface HeartbeatTimes {
  /** Silence after which the server is asked. */
  readonly intervalMs: number;
  /** How long it may take to answer. */
  readonly timeoutMs: number;
}

/**
 * Sends a PING over a connection on which nothing has come for a while, so that a
 * middlebox does not forget it, and ends the connection if nothing comes back. It ends
 * with its connection; with commands in flight it leaves the judgement to their deadlines.
 *
 * @param connection The connection.
 * @param times When to ask, and how long to wait.
 * @param clock Time.
 */
export function keepBeating(
  connection: Beating,
  times: HeartbeatTimes,
  clock: Clock,
): void {
  const { intervalMs, timeoutMs } = times;
  let timer: Timer | undefined;
  const arm = (ms: number) => {
    timer = clock.setTimer(() => beat(), ms);
  };
  const beat = async () => {
    const quietMs = clock.now() - connection.lastReceivedAt;
    if (quietMs < intervalMs) return arm(intervalMs - quietMs);
    if (connection.inFlight === 0 && !await connection.ask(timeoutMs, "ping")) {
      const text = `no answer to a heartbeat within ${timeoutMs} ms`;
      connection.close({ kind: "silent", text });
    }
    if (connection.isOpen) arm(intervalMs);
  };
  arm(intervalMs);
  // Last: it may have ended already, and says so at once.
  connection.onEnd(() => timer?.cancel());
}
