import {
  countAttempts,
  type Delivery,
  describeSpent,
  RedisManagerError,
  type RedisManagerErrorOptions,
} from "./base.ts";

/** What is known of a server that cannot be reached: part of a {@linkcode ConnectError}. */
export type NoConnection = Pick<ConnectError, "attempts" | "endpoint" | "reason">;

/** Text such as `cannot reach 127.0.0.1:6379 after 2 attempts: connection refused`. */
export function describeNoConnection(known: NoConnection): string {
  return `cannot reach ${known.endpoint} after ${
    countAttempts(known.attempts)
  }: ${known.reason}`;
}

/** The same with a semicolon before it, to end a message; empty if nothing is known. */
export function noConnectionText(known: NoConnection | undefined): string {
  return known === undefined ? "" : `; ${describeNoConnection(known)}`;
}

/**
 * No connection could be opened.
 *
 * @example Usage
 * ```ts
 * import { ConnectError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ConnectError("main", "127.0.0.1:6379", "connection refused", {
 *   attempts: 5,
 * });
 * assertEquals(error.attempts, 5);
 * ```
 */
export class ConnectError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "CONNECT" | "AUTH";
  /** How many attempts were made. */
  override readonly attempts: number;
  /** Where was connected to, such as `127.0.0.1:6379`. */
  readonly endpoint: string;
  /** Why it failed, such as `connection refused`. */
  readonly reason: string;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param endpoint Where was connected to.
   * @param reason Why it failed.
   * @param options Attempts, time, cause.
   * @param code Stable code; only subclasses give another.
   */
  constructor(
    database: string,
    endpoint: string,
    reason: string,
    options: {
      /** How many attempts were made. */
      attempts: number;
      /** How long they took together, in milliseconds. */
      elapsedMs?: number;
      /** The last attempt's error, already free of secrets. */
      cause?: unknown;
      /** Whether a later call may succeed; `true` by default. */
      retryable?: boolean;
    },
    code: "CONNECT" | "AUTH" = "CONNECT",
  ) {
    const { attempts, elapsedMs, cause, retryable = true } = options;
    const time = elapsedMs === undefined ? "" : ` in ${Math.round(elapsedMs)} ms`;
    super(
      code,
      `Cannot connect database "${database}" to ${endpoint} after ${
        countAttempts(attempts)
      }${time}: ${reason}`,
      {
        database,
        delivery: "never-sent",
        retryable,
        cause,
        elapsed: elapsedMs === undefined ? undefined : { connectingMs: elapsedMs },
      },
    );
    this.attempts = attempts;
    this.endpoint = endpoint;
    this.reason = reason;
  }
}

/**
 * The server refused the credentials; it is not tried again by itself.
 *
 * @example Usage
 * ```ts
 * import { AuthError, ConnectError } from "@mooring/redis";
 * import { assertInstanceOf } from "@std/assert";
 *
 * assertInstanceOf(new AuthError("main", "localhost:6379", "WRONGPASS"), ConnectError);
 * ```
 */
export class AuthError extends ConnectError {
  /** Stable code of this class. */
  declare readonly code: "AUTH";

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param endpoint Where was connected to.
   * @param reason The server's error text.
   * @param cause The server's error reply, already free of secrets.
   */
  constructor(database: string, endpoint: string, reason: string, cause?: unknown) {
    super(database, endpoint, reason, { attempts: 1, retryable: false, cause }, "AUTH");
  }
}

/**
 * The connection ended while the command was on it or waited for it.
 *
 * @example Usage
 * ```ts
 * import { ConnectionLostError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ConnectionLostError("main", "incr", "ambiguous", "connection reset");
 * assertEquals(error.delivery, "ambiguous");
 * ```
 */
export class ConnectionLostError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "CONNECTION_LOST";

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param command Name of the command that was on it.
   * @param delivery What is known of the command.
   * @param reason Why the connection ended.
   * @param spent What the command has taken.
   */
  constructor(
    database: string,
    command: string,
    delivery: Delivery,
    reason: string,
    spent: Pick<RedisManagerErrorOptions, "attempts" | "elapsed"> = {},
  ) {
    const known = delivery === "ambiguous"
      ? "it was sent and may have run"
      : "it was not sent";
    super(
      "CONNECTION_LOST",
      `Cannot finish ${command.toUpperCase()} on database "${database}": ` +
        `the connection was lost (${reason}); ${known}${describeSpent(spent)}`,
      { database, delivery, retryable: delivery === "never-sent", ...spent },
    );
  }
}

/**
 * The server sent what is no valid reply, or more than was asked; the connection is
 * destroyed.
 *
 * @example Usage
 * ```ts
 * import { ProtocolError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new ProtocolError("main", "surplus reply").code, "PROTOCOL");
 * ```
 */
export class ProtocolError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "PROTOCOL";

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param reason What was wrong with the bytes.
   * @param delivery What is known of the command that was on the connection.
   * @param spent What that command has taken.
   */
  constructor(
    database: string,
    reason: string,
    delivery?: Delivery,
    spent: Pick<RedisManagerErrorOptions, "attempts" | "elapsed"> = {},
  ) {
    const text = `Cannot read the replies of database "${database}": ${reason}`;
    super("PROTOCOL", text + describeSpent(spent), { database, delivery, ...spent });
  }
}

/**
 * The server is up but not ready to serve, and stayed so for longer than allowed.
 *
 * @example Usage
 * ```ts
 * import { NotReadyError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new NotReadyError("main", "LOADING", 60_000, { etaSeconds: 12 });
 * assertEquals(error.etaSeconds, 12);
 * ```
 */
export class NotReadyError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "NOT_READY";
  /** Why the server does not serve: the first word of its reply. */
  readonly reason: string;
  /** The server's own estimate of the seconds left, where it gave one. */
  readonly etaSeconds?: number;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param reason First word of the server's reply: `LOADING`, `MASTERDOWN` and such.
   * @param waitedMs How long was waited, in milliseconds.
   * @param options The server's estimate.
   */
  constructor(
    database: string,
    reason: string,
    waitedMs: number,
    options: { etaSeconds?: number } = {},
  ) {
    const eta = options.etaSeconds === undefined
      ? ""
      : `, the server expects ${options.etaSeconds} s more`;
    super(
      "NOT_READY",
      `Cannot use database "${database}": the server answered ${reason} for ${
        Math.round(waitedMs)
      } ms${eta}`,
      {
        database,
        delivery: "rejected",
        retryable: true,
        elapsed: { loadingMs: waitedMs },
      },
    );
    this.reason = reason;
    if (options.etaSeconds !== undefined) this.etaSeconds = options.etaSeconds;
  }
}

/**
 * The database's circuit breaker is open: it failed too often, and is left alone for
 * a while.
 *
 * @example Usage
 * ```ts
 * import { CircuitOpenError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new CircuitOpenError("main", 1500).retryAfterMs, 1500);
 * ```
 */
export class CircuitOpenError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "CIRCUIT_OPEN";
  /** Milliseconds until the next probe is let through. */
  readonly retryAfterMs: number;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param retryAfterMs Milliseconds until the next probe is let through.
   * @param lastFailure What opened the breaker.
   * @param cause Why the server cannot be reached, where that is so.
   */
  constructor(
    database: string,
    retryAfterMs: number,
    lastFailure?: string,
    cause?: ConnectError,
  ) {
    super(
      "CIRCUIT_OPEN",
      `Cannot use database "${database}": its circuit breaker is open for another ${
        Math.ceil(retryAfterMs)
      } ms${lastFailure === undefined ? "" : ` (${lastFailure})`}${
        noConnectionText(cause)
      }`,
      { database, delivery: "never-sent", retryable: true, cause },
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Not every database could be connected at the start; it carries why, by name. Those that
 * are not named are connected.
 *
 * @example Usage
 * ```ts
 * import { ConnectError, InitializationError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const refused = new ConnectError("cache", "127.0.0.1:1", "connection refused", {
 *   attempts: 5,
 * });
 * const error = new InitializationError({ cache: refused }, 3);
 * assertEquals(Object.keys(error.failures), ["cache"]);
 * assertEquals(error.errors, [refused]);
 * ```
 */
export class InitializationError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "INITIALIZATION";
  /** Why, of each database that could not be connected, by its name. */
  readonly failures: Readonly<Record<string, Error>>;
  /** The same as a list, as an `AggregateError` has it. */
  readonly errors: readonly Error[];

  /**
   * Makes the error.
   *
   * @param failures Why, of each database that could not be connected, by its name.
   * @param total How many databases there are.
   */
  constructor(failures: Readonly<Record<string, Error>>, total: number) {
    const errors = Object.values(failures);
    const reasons = Object.entries(failures).map(([name, error]) =>
      error instanceof ConnectError
        ? `"${name}" at ${error.endpoint} after ${
          countAttempts(error.attempts)
        }: ${error.reason}`
        : `"${name}": ${error.message}`
    );
    super(
      "INITIALIZATION",
      `Cannot connect ${errors.length} of ${total} databases: ${reasons.join("; ")}`,
      {
        cause: errors[0],
        retryable: errors.every((error) =>
          (error as RedisManagerError).retryable === true
        ),
      },
    );
    this.failures = Object.freeze({ ...failures });
    this.errors = Object.freeze(errors);
  }
}
