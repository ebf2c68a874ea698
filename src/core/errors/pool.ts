import { RedisManagerError } from "./base.ts";
import { type ConnectError, noConnectionText } from "./connection.ts";

/**
 * No connection came free in time.
 *
 * @example Usage
 * ```ts
 * import { AcquireTimeoutError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new AcquireTimeoutError("cache", 3000, {
 *   total: 10, lanes: 1, inUse: 9, idle: 0, connecting: 0, waiting: 4, max: 10,
 * });
 * assertEquals(error.inUse, 9);
 * ```
 */
export class AcquireTimeoutError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "ACQUIRE_TIMEOUT";
  /** Connections that are open or being opened. */
  readonly total!: number;
  /** Shared connections among them. */
  readonly lanes!: number;
  /** Connections that are leased. */
  readonly inUse!: number;
  /** Connections that wait for a lease. */
  readonly idle!: number;
  /** Connections that are being opened. */
  readonly connecting!: number;
  /** Callers that wait, this one included. */
  readonly waiting!: number;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param timeoutMs How long was waited, in milliseconds.
   * @param numbers The pool's numbers at that moment.
   * @param hint What else is known, such as where the oldest lease was acquired.
   * @param cause Why none could be opened, where that is so.
   */
  constructor(
    database: string,
    timeoutMs: number,
    numbers:
      & Pick<AcquireTimeoutError, "total" | "lanes" | "inUse" | "idle" | "connecting">
      & Pick<AcquireTimeoutError, "waiting">
      & { readonly max: number },
    hint?: string,
    cause?: ConnectError,
  ) {
    const { total, max, lanes, inUse, idle, connecting, waiting } = numbers;
    super(
      "ACQUIRE_TIMEOUT",
      `Cannot acquire a connection from pool "${database}" within ${
        Math.round(timeoutMs)
      } ms (total ${total} of ${max}, lanes ${lanes}, in use ${inUse}, idle ${idle}, ` +
        `connecting ${connecting}, waiting ${waiting})${
          hint === undefined ? "" : `; ${hint}`
        }${noConnectionText(cause)}`,
      {
        database,
        delivery: "never-sent",
        retryable: true,
        elapsed: { waitingMs: timeoutMs },
        cause,
        attempts: cause?.attempts,
      },
    );
    Object.assign(this, { total, lanes, inUse, idle, connecting, waiting });
  }
}

/** The numbers of a pool at the moment an error is made. */
export type PoolNumbers = ConstructorParameters<typeof AcquireTimeoutError>[2];

/**
 * Refused at once because a bound was reached: too many waiters, too many commands
 * in flight, or a socket that does not drain.
 *
 * @example Usage
 * ```ts
 * import { OverloadedError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new OverloadedError("cache", "waiting callers", 10_000, 10_000);
 * assertEquals(error.limit, 10_000);
 * ```
 */
export class OverloadedError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "OVERLOADED";
  /** How many there are. */
  readonly current: number;
  /** How many are allowed. */
  readonly limit: number;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param what What there is too much of, such as `waiting callers`.
   * @param current How many there are.
   * @param limit How many are allowed.
   * @param cause Why no connection could be opened for them, where that is so.
   */
  constructor(
    database: string,
    what: string,
    current: number,
    limit: number,
    cause?: ConnectError,
  ) {
    super(
      "OVERLOADED",
      `Cannot take more work for "${database}": ${current} ${what}, the limit is ` +
        `${limit}${noConnectionText(cause)}`,
      { database, delivery: "never-sent", retryable: true, cause },
    );
    this.current = current;
    this.limit = limit;
  }
}

/**
 * A lease was used or released after its release, or by another pool.
 *
 * @example Usage
 * ```ts
 * import { LeaseReleasedError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new LeaseReleasedError("main", "release").code, "LEASE_RELEASED");
 * ```
 */
export class LeaseReleasedError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "LEASE_RELEASED";

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param verb What was tried, such as `release` or `use`.
   */
  constructor(database: string, verb: string) {
    super(
      "LEASE_RELEASED",
      `Cannot ${verb} a lease of pool "${database}" that has been released`,
      { database, delivery: "never-sent" },
    );
  }
}

/**
 * The manager was closed, or is being closed.
 *
 * @example Usage
 * ```ts
 * import { ManagerClosedError, RedisConnectionManager } from "@mooring/redis";
 * import { assertThrows } from "@std/assert";
 *
 * const manager = new RedisConnectionManager({ databases: { main: { db: 0 } } });
 * await manager.closeAll();
 * assertThrows(() => manager.getClient("main"), ManagerClosedError);
 * ```
 */
export class ManagerClosedError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "MANAGER_CLOSED";

  /**
   * Makes the error.
   *
   * @param database Name of the database, where there is one.
   */
  constructor(database?: string) {
    super(
      "MANAGER_CLOSED",
      database === undefined
        ? "Cannot use the manager: it has been closed"
        : `Cannot use database "${database}": the manager has been closed`,
      { database, delivery: "never-sent" },
    );
  }
}
