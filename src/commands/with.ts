import type { IORedisCommand } from "../connection/ioredis.ts";

/** What may be set for single calls. */
export interface CallOptions {
  /**
   * Gives the call up. A command that has not been sent is withdrawn and never runs, and
   * the call rejects with the signal's reason; so it does for one that only reads. Of
   * another one that has been sent the reply is thrown away: it rejects with a
   * `CommandAbortedError`, which is ambiguous and has the reason as its cause.
   *
   * A blocking command is ended on the server, and what it took is not thrown away: the
   * call resolves with an element that came before the server heard of it, else rejects
   * with the reason. Where the server does not answer within a second, it rejects with a
   * `CommandAbortedError`.
   */
  readonly signal?: AbortSignal;
  /** Deadline, in milliseconds, more than 0. Default: the database's. A blocking command
   * has it from the call on, the wait for its connection included; it is ended on the
   * server then, and the call resolves with an element that came before that. */
  readonly timeoutMs?: number;
  /** Whether a write whose fate is unknown is sent again, and may run twice. Default: as
   * the database says. */
  readonly retryWrites?: boolean;
}

/** A command with what its caller set for it. */
export interface ScopedCommand {
  /** What was set; absent for most commands. */
  call?: CallOptions;
}

/** Where commands go. */
interface Route {
  dispatch(command: IORedisCommand): void;
  dispatchBatch(commands: readonly IORedisCommand[]): void;
}

/**
 * A route whose commands carry what their caller set for them.
 *
 * @param route Where they go.
 * @param call What was set.
 * @returns A route to the same place.
 * @throws {RangeError} If the deadline is not more than 0.
 */
export function scopeRoute<R extends Route>(route: R, call: CallOptions): R {
  const { timeoutMs } = call;
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new RangeError(
      `Cannot set a deadline as timeoutMs must be more than 0: current value is ${timeoutMs}`,
    );
  }
  const scope = (command: IORedisCommand): IORedisCommand => {
    (command as ScopedCommand).call = call;
    return command;
  };
  return {
    ...route,
    dispatch: (command) => route.dispatch(scope(command)),
    dispatchBatch: (commands) => route.dispatchBatch(commands.map(scope)),
  };
}
