import { RedisManagerError } from "./base.ts";

/**
 * A write was made, and fewer replicas than asked for have confirmed it in time. It may be
 * lost if its server is. The error carries the reply.
 *
 * @example Usage
 * ```ts
 * import { DurabilityError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DurabilityError("main", "incr", 7, 0, 1, "within 1000 ms");
 * assertEquals([error.reply, error.replicas, error.wanted], [7, 0, 1]);
 * ```
 */
export class DurabilityError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "DURABILITY";
  /** Name of the command. */
  readonly command: string;
  /** The reply of the write, which was made. */
  readonly reply: unknown;
  /** How many replicas are known to have it. */
  readonly replicas: number;
  /** How many were asked for. */
  readonly wanted: number;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param command Name of the command.
   * @param reply Its reply.
   * @param replicas How many replicas are known to have it.
   * @param wanted How many were asked for.
   * @param why Why no more are known to.
   * @param cause The error that this was found out by.
   */
  constructor(
    database: string,
    command: string,
    reply: unknown,
    replicas: number,
    wanted: number,
    why: string,
    cause?: unknown,
  ) {
    super(
      "DURABILITY",
      `Cannot confirm ${command.toUpperCase()} on database "${database}": it was made, and ` +
        `${replicas} of ${wanted} replicas are known to have it (${why})`,
      { database, delivery: "ambiguous", cause },
    );
    this.command = command;
    this.reply = reply;
    this.replicas = replicas;
    this.wanted = wanted;
  }
}

/**
 * A lock was not taken in time, or is not held any more.
 *
 * @example Usage
 * ```ts
 * import { LockError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new LockError("main", "report", "another holder has it for 800 ms more");
 * assertEquals([error.code, error.lock], ["LOCK", "report"]);
 * ```
 */
export class LockError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "LOCK";
  /** Name of the lock. */
  readonly lock: string;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param lock Name of the lock.
   * @param why Why it is not held.
   * @param cause The error that this was found out by.
   */
  constructor(database: string, lock: string, why: string, cause?: unknown) {
    super(
      "LOCK",
      `Cannot hold the lock "${lock}" on database "${database}": ${why}`,
      { database, retryable: true, cause },
    );
    this.lock = lock;
  }
}
