import { type ConnectError, noConnectionText } from "./connection.ts";
import {
  type Delivery,
  describeSpent,
  RedisManagerError,
  type RedisManagerErrorOptions,
} from "./base.ts";

/**
 * A command had no reply within its deadline.
 *
 * @example Usage
 * ```ts
 * import { CommandTimeoutError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new CommandTimeoutError("main", "get", 5000, "never-sent");
 * assertEquals(error.timeoutMs, 5000);
 * ```
 */
export class CommandTimeoutError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "COMMAND_TIMEOUT";
  /** The deadline, in milliseconds. */
  readonly timeoutMs: number;
  /** Name of the command. */
  readonly command: string;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param command Name of the command.
   * @param timeoutMs The deadline, in milliseconds.
   * @param delivery What is known of the command.
   * @param spent What it has taken.
   * @param cause Why there was no connection for it, where it waited for one. Attempts to
   * connect are then its attempts, if it never had a connection.
   */
  constructor(
    database: string,
    command: string,
    timeoutMs: number,
    delivery: Delivery,
    spent: Pick<RedisManagerErrorOptions, "attempts" | "elapsed"> = {},
    cause?: ConnectError,
  ) {
    const known: Record<Delivery, string> = {
      ambiguous: "it was sent and may have run",
      rejected: "the server ended its wait and it did nothing",
      "never-sent": "it was not sent and will not run",
    };
    const { attempts, elapsed } = spent;
    const isUnreached = cause !== undefined && !attempts;
    const taken = isUnreached ? { elapsed } : spent;
    super(
      "COMMAND_TIMEOUT",
      `Cannot finish ${command.toUpperCase()} on database "${database}" within ${
        Math.round(timeoutMs)
      } ms: ${known[delivery]}${describeSpent(taken)}${noConnectionText(cause)}`,
      {
        database,
        delivery,
        retryable: delivery !== "ambiguous",
        ...spent,
        ...(isUnreached ? { attempts: cause.attempts } : {}),
        cause,
      },
    );
    this.timeoutMs = timeoutMs;
    this.command = command;
  }
}

/**
 * A command was given up by its caller's signal after it had been sent, so that it may
 * have run: its reply, and what it may have taken, are lost. A call whose command surely
 * did not run, or only reads, rejects with the signal's reason itself, which is the
 * `cause` here.
 *
 * @example Usage
 * ```ts
 * import { CommandAbortedError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new CommandAbortedError("main", "lpop", new Error("too slow"));
 * assertEquals(error.delivery, "ambiguous");
 * ```
 */
export class CommandAbortedError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "COMMAND_ABORTED";
  /** Name of the command. */
  readonly command: string;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param command Name of the command.
   * @param reason The signal's reason.
   * @param spent What the command has taken.
   */
  constructor(
    database: string,
    command: string,
    reason: unknown,
    spent: Pick<RedisManagerErrorOptions, "attempts" | "elapsed"> = {},
  ) {
    const why = reason instanceof Error ? reason.message : String(reason);
    super(
      "COMMAND_ABORTED",
      `Cannot tell what became of ${command.toUpperCase()} on database "${database}": ` +
        `its signal aborted (${why}) after it had been sent, and it may have run` +
        describeSpent(spent),
      { database, delivery: "ambiguous", cause: reason, ...spent },
    );
    this.command = command;
  }
}

/**
 * A command that may not run where it was tried, such as one that would change a shared
 * connection for everybody; the message names the right call.
 *
 * @example Usage
 * ```ts
 * import { CommandRefusedError } from "@mooring/redis";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const error = new CommandRefusedError("main", "select", "use manager.acquire()");
 * assertStringIncludes(error.message, "manager.acquire()");
 * ```
 */
export class CommandRefusedError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "COMMAND_REFUSED";
  /** Name of the command. */
  readonly command: string;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param command Name of the command.
   * @param instead The right call, for the message.
   * @param where Where it was tried. Default: on a shared connection.
   */
  constructor(
    database: string,
    command: string,
    instead: string,
    where: string = "a shared connection",
  ) {
    super(
      "COMMAND_REFUSED",
      `Cannot run ${command.toUpperCase()} on ${where} of database "${database}": ${instead}`,
      { database, delivery: "never-sent" },
    );
    this.command = command;
  }
}

/** What became of one command of a batch. */
export type BatchResult =
  | { /** It succeeded. */ ok: true; /** Its reply. */ value: unknown }
  | {
    /** It failed. */
    ok: false;
    /** Why. */
    error: Error;
    /** What is known of it. */
    delivery: Delivery;
  };

/**
 * At least one command of a pipeline failed; it carries what became of each.
 *
 * @example Usage
 * ```ts
 * import { PipelineError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new PipelineError("main", [
 *   { ok: true, value: "OK" },
 *   { ok: false, error: new Error("WRONGTYPE"), delivery: "rejected" },
 * ]);
 * assertEquals(error.failed, [1]);
 * ```
 */
export class PipelineError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "PIPELINE";
  /** What became of each command, by its place in the batch. */
  readonly results: readonly BatchResult[];
  /** Places of the commands that failed. */
  readonly failed: readonly number[];

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param results What became of each command.
   */
  constructor(database: string, results: readonly BatchResult[]) {
    const failed = results.flatMap((result, i) => result.ok ? [] : [i]);
    const first = results[failed[0]!];
    const cause = first?.ok === false ? first.error : undefined;
    super(
      "PIPELINE",
      `Cannot finish the pipeline on database "${database}": ${failed.length} of ` +
        `${results.length} commands failed (${countDeliveries(results)}), the first at ${
          failed[0]
        } (${cause?.message})`,
      { database, delivery: worstDelivery(results), cause },
    );
    this.results = results;
    this.failed = failed;
  }
}

/** How many commands failed in which way, such as `2 ambiguous, 3 never-sent`. */
function countDeliveries(results: readonly BatchResult[]): string {
  const counts: Record<Delivery, number> = {
    rejected: 0,
    ambiguous: 0,
    "never-sent": 0,
  };
  for (const result of results) if (!result.ok) counts[result.delivery]++;
  return Object.entries(counts).filter(([, count]) => count > 0)
    .map(([delivery, count]) => `${count} ${delivery}`).join(", ");
}

function worstDelivery(results: readonly BatchResult[]): Delivery {
  let worst: Delivery = "never-sent";
  for (const result of results) {
    if (result.ok || result.delivery === "never-sent") continue;
    if (result.delivery === "ambiguous") return "ambiguous";
    worst = "rejected";
  }
  return worst;
}

/** What became of a part of a command that a cluster ran in parts. */
export type PartResult = BatchResult & {
  /** Its keys, as the caller wrote them; unset for a command without keys. */
  readonly keys?: readonly (string | Uint8Array)[];
  /** The node that it was for, such as `10.0.0.7:7000`; unset for a command with keys. */
  readonly node?: string;
};

/**
 * A command that a cluster ran in parts failed in some of them: an MSET whose keys are on
 * several nodes, a FLUSHALL, which is for every node. {@linkcode PartialError.parts} has
 * what became of each part, and its keys or its node.
 *
 * The `delivery` of the whole is `ambiguous` as soon as a part of it succeeded or may have
 * run; each part has its own.
 *
 * @example Usage
 * ```ts
 * import { PartialError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new PartialError("main", "mset", [
 *   { keys: ["a"], ok: true, value: "OK" },
 *   { keys: ["b", "c"], ok: false, error: new Error("lost"), delivery: "never-sent" },
 * ]);
 * const unsent = error.parts.filter((part) => !part.ok && part.delivery === "never-sent");
 * assertEquals(unsent.flatMap(({ keys }) => keys), ["b", "c"]);
 * ```
 */
export class PartialError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "PARTIAL";
  /** Name of the command. */
  readonly command: string;
  /** What became of each part. */
  readonly parts: readonly PartResult[];

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param command Name of the command.
   * @param parts What became of each part; at least one failed.
   */
  constructor(database: string, command: string, parts: readonly PartResult[]) {
    const failed = parts.filter((part) => !part.ok);
    const [first] = failed;
    const cause = first?.error;
    const whose = first?.node ?? `key ${JSON.stringify(String(first?.keys?.[0]))}`;
    super(
      "PARTIAL",
      `Cannot finish ${command.toUpperCase()} on database "${database}": ` +
        `${failed.length} of ${parts.length} parts failed (${countDeliveries(parts)}), ` +
        `the first for ${whose} (${cause?.message})`,
      {
        database,
        delivery: failed.length < parts.length ? "ambiguous" : worstDelivery(parts),
        retryable: failed.every(({ error }) =>
          (error as { retryable?: boolean }).retryable === true
        ),
        cause,
      },
    );
    this.command = command;
    this.parts = parts;
  }
}

/**
 * The server ran or refused a transaction with errors in it; it carries what became of
 * each command. Redis undoes nothing: where {@linkcode TransactionError.applied} is
 * `true`, every command that succeeded stays done.
 *
 * @example Usage
 * ```ts
 * import { TransactionError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new TransactionError("main", true, [
 *   { ok: true, value: "OK" },
 *   { ok: false, error: new Error("WRONGTYPE"), delivery: "rejected" },
 * ]);
 * assertEquals(error.failed, [1]);
 * ```
 */
export class TransactionError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "TRANSACTION";
  /** What became of each command, by its place in the transaction. */
  readonly results: readonly BatchResult[];
  /** Places of the commands that the server refused. */
  readonly failed: readonly number[];
  /** Whether the commands that the server did not refuse were run. */
  readonly applied: boolean;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param applied Whether the other commands were run.
   * @param results What became of each command.
   * @param refusal Why the server did not let it begin, so that each command was by
   * itself. Default: it did.
   */
  constructor(
    database: string,
    applied: boolean,
    results: readonly BatchResult[],
    refusal?: Error,
  ) {
    const failed = results.flatMap((result, i) => isRefused(result) ? [i] : []);
    const first = results[failed[0]!];
    const cause = refusal ?? (first?.ok === false ? first.error : undefined);
    const where = refusal === undefined
      ? `commands failed, the first at ${failed[0]} (${cause?.message})`
      : `commands failed, and MULTI itself (${refusal.message})`;
    super(
      "TRANSACTION",
      `Cannot ${applied ? "finish" : "run"} the transaction on database "${database}": ` +
        `${failed.length} of ${results.length} ${where}; ` +
        `the others were ${applied ? "" : "not "}run`,
      { database, cause, ...(applied ? {} : { delivery: "rejected" }) },
    );
    this.results = results;
    this.failed = failed;
    this.applied = applied;
  }
}

/** Whether the server said no to the command itself. */
function isRefused(result: BatchResult): boolean {
  return !result.ok && result.delivery === "rejected";
}

/**
 * A watched key changed each time the transaction was tried.
 *
 * @example Usage
 * ```ts
 * import { TransactionConflictError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new TransactionConflictError("main", 5, ["n"]).attempts, 5);
 * ```
 */
export class TransactionConflictError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "TRANSACTION_CONFLICT";
  /** How many times it was tried. */
  override readonly attempts: number;
  /** The keys that were watched. */
  readonly keys: readonly string[];

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param attempts How many times it was tried.
   * @param keys The keys that were watched.
   */
  constructor(database: string, attempts: number, keys: readonly string[]) {
    super(
      "TRANSACTION_CONFLICT",
      `Cannot commit the transaction on database "${database}" in ${attempts} attempts: ` +
        `a watched key changed each time (watched ${keys.length})`,
      { database, delivery: "rejected", retryable: true },
    );
    this.attempts = attempts;
    this.keys = [...keys];
  }
}

/**
 * Whether a command can be written. One with an argument that has no text was rejected
 * when it was made, and must not be sent.
 */
export function isWritable(
  command: { readonly name: string; readonly succeed?: unknown },
): boolean {
  return command.succeed !== undefined || Object.hasOwn(command, "resolve");
}

/** The error for a command that cannot be written; our own commands name the argument. */
export function unwritableError(
  { name, unwritable }: { readonly name: string; readonly unwritable?: Error },
): Error {
  return unwritable ??
    new TypeError(`Cannot write ${name.toUpperCase()}: one of its arguments has no text`);
}

/**
 * What is under a key cannot be read as a value. The error of the codec is its cause.
 *
 * @example Usage
 * ```ts
 * import { DecodeError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new DecodeError("cache", "user:7", new SyntaxError("Unexpected token"));
 * assertEquals([error.code, error.key], ["DECODE", "user:7"]);
 * ```
 */
export class DecodeError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "DECODE";
  /** The key. */
  readonly key: string;

  /**
   * Makes the error.
   *
   * @param database Name of the database.
   * @param key The key.
   * @param cause Why its value cannot be read.
   */
  constructor(database: string, key: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      "DECODE",
      `Cannot read the value of ${JSON.stringify(key)} on database "${database}": ${why}`,
      { database, cause },
    );
    this.key = key;
  }
}
