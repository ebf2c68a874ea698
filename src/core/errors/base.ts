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
  | "MANAGER_CLOSED";

/** What every error of this package carries beside its message. */
export interface RedisManagerErrorOptions {
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
  }
}
