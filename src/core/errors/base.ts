/** What is known of a failed command. */
export type Delivery =
  /** No byte of it left this process: the server cannot have run it. */
  | "never-sent"
  /** The server answered with an error and applied nothing. */
  | "rejected"
  /** It was sent and no reply came: it may or may not have run. */
  | "ambiguous";

/** Stable codes of the errors that this package throws, one for each class. */
export type ErrorCode =
  | "CONFIG"
  | "UNKNOWN_DATABASE"
  | "ACQUIRE_TIMEOUT"
  | "OVERLOADED"
  | "COMMAND_TIMEOUT"
  | "COMMAND_ABORTED"
  | "COMMAND_REFUSED"
  | "CONNECTION_LOST"
  | "CONNECT"
  | "AUTH"
  | "PROTOCOL"
  | "CIRCUIT_OPEN"
  | "NOT_READY"
  | "LEASE_RELEASED"
  | "PIPELINE"
  | "TRANSACTION"
  | "TRANSACTION_CONFLICT"
  | "INITIALIZATION"
  | "MANAGER_CLOSED";

/**
 * How long a failed call was in each phase, in milliseconds. Phases that it was never in
 * are left out.
 */
export interface PhaseTimes {
  /** Until it was sent last: waiting for a connection, and earlier attempts. */
  waitingMs?: number;
  /** Opening connections: the attempts, and the pauses between them. */
  connectingMs?: number;
  /** Waiting for a server that was there and did not serve yet. */
  loadingMs?: number;
  /** Since it was sent last, without a reply. */
  answeringMs?: number;
}

/**
 * What a failed call has taken.
 *
 * @internal
 */
export interface SpentOptions {
  /** How often it was tried. */
  attempts?: number;
  /** How long it was in each phase, in milliseconds. */
  elapsed?: PhaseTimes;
}

/**
 * What every error of this package carries beside its message.
 *
 * @internal
 */
export interface RedisManagerErrorOptions extends SpentOptions {
  /** Name of the database it happened on. */
  database?: string;
  /** What is known of the command that failed. */
  delivery?: Delivery;
  /** Whether the same call may succeed when made again later. */
  retryable?: boolean;
  /** The error that led to this one; never a raw error that holds arguments. */
  cause?: unknown;
}

/**
 * The base class of every error that this package throws: match on the class or on
 * {@linkcode RedisManagerError.code}, never on the text.
 *
 * @example Usage
 * ```ts
 * import { RedisManagerError, UnknownDatabaseError } from "@mooring/redis";
 * import { assertEquals, assertInstanceOf } from "@std/assert";
 *
 * const error = new UnknownDatabaseError("mian", ["main", "cache"]);
 * assertInstanceOf(error, RedisManagerError);
 * assertEquals(error.code, "UNKNOWN_DATABASE");
 * ```
 */
export class RedisManagerError extends Error {
  /** Stable code, one for each class. */
  readonly code: ErrorCode;
  /** Name of the database it happened on, where there is one. */
  readonly database?: string;
  /** What is known of the command that failed, where there was one. */
  readonly delivery?: Delivery;
  /** Whether the same call may succeed when made again later. */
  readonly retryable: boolean;
  /** How often it was tried: how often a command was given to a connection, or one was
   * opened. 0 for a command that never had one; absent where nothing is tried. */
  readonly attempts?: number;
  /** How long it was in each phase, in milliseconds; absent where nothing took time. */
  readonly elapsed?: Readonly<PhaseTimes>;

  /**
   * Makes an error of this package.
   *
   * @param code Stable code of the class.
   * @param message What could not be done and the numbers, without a final period.
   * @param options Database, delivery, whether to try again, cause.
   */
  constructor(code: ErrorCode, message: string, options: RedisManagerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    if (options.database !== undefined) this.database = options.database;
    if (options.delivery !== undefined) this.delivery = options.delivery;
    this.retryable = options.retryable ?? false;
    if (options.attempts !== undefined) this.attempts = options.attempts;
    if (options.elapsed !== undefined) this.elapsed = Object.freeze(options.elapsed);
  }
}

/**
 * What a command has taken in words, for messages.
 *
 * @param spent What it has taken.
 * @returns Text in brackets, with a space before it; empty if nothing is known.
 */
export function describeSpent({ attempts, elapsed = {} }: SpentOptions): string {
  const tries = attempts === undefined
    ? []
    : [attempts === 1 ? "1 attempt" : `${attempts} attempts`];
  const times = Object.entries(elapsed as Record<string, number>)
    .map(([phase, ms]) => `${phase.replace(/Ms$/, "")} ${Math.round(ms)} ms`);
  const words = [...tries, ...times].join(", ");
  return words === "" ? "" : ` (${words})`;
}
