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
  | "PARTIAL"
  | "PIPELINE"
  | "TRANSACTION"
  | "TRANSACTION_CONFLICT"
  | "DURABILITY"
  | "LOCK"
  | "DECODE"
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

/** What every error of this package carries beside its message. */
export interface RedisManagerErrorOptions {
  /** How often it was tried. */
  attempts?: number;
  /** How long it was in each phase, in milliseconds. */
  elapsed?: PhaseTimes;
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

/** What a failed call has taken. */
export type SpentOptions = Pick<RedisManagerErrorOptions, "attempts" | "elapsed">;

/**
 * Attempts and times for a message, such as ` (2 attempts, waiting 12 ms)`; empty if
 * neither is known.
 */
export function describeSpent({ attempts, elapsed = {} }: SpentOptions): string {
  const times = Object.entries(elapsed as Record<string, number>)
    .map(([phase, ms]) => `${phase.replace(/Ms$/, "")} ${Math.round(ms)} ms`);
  const parts = [...(attempts === undefined ? [] : [countAttempts(attempts)]), ...times];
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

/** `1 attempt`, `2 attempts`. */
export function countAttempts(attempts: number): string {
  return attempts === 1 ? "1 attempt" : `${attempts} attempts`;
}

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Where the value came from: `config/redis-databases.yaml:14:5`, `env REDIS_PORT`. */
  origin: string;
  /** Path of the setting as its source writes it: `databases.cache.max_connections` in
   * YAML, `databases.cache.maxConnections` in code. */
  key: string;
  /** What is wrong: what was found and what is allowed; secrets masked. */
  message: string;
}

/** Most problems that the message spells out; `problems` has them all. */
const MAX_LISTED = 50;

/**
 * A configuration that cannot be used. It lists all that is wrong with it, not only
 * the first. No secret is ever part of it.
 *
 * @example Usage
 * ```ts
 * import { ConfigError, RedisConfigLoader } from "@mooring/redis";
 * import { assertInstanceOf, assertStringIncludes } from "@std/assert";
 *
 * const error = await RedisConfigLoader.load({ yamlText: "port: abc", env: {} })
 *   .catch((error) => error);
 * assertInstanceOf(error, ConfigError);
 * assertStringIncludes(error.message, "port");
 * ```
 */
export class ConfigError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "CONFIG";
  /** Everything that is wrong, in the order of the file. */
  readonly problems: readonly ConfigProblem[];
  /** Where the first problem came from. */
  readonly origin: string;
  /** Path of the setting of the first problem. */
  readonly key: string;

  /**
   * Makes an error out of problems.
   *
   * @param problems What is wrong; at least one.
   */
  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.slice(0, MAX_LISTED).map((p) =>
      `${p.origin}: ${p.key ? `${p.key}: ` : ""}${p.message}`
    );
    if (problems.length > MAX_LISTED) {
      lines.push(`and ${problems.length - MAX_LISTED} more`);
    }
    const text = problems.length === 1
      ? `Cannot use the configuration: ${lines[0]}`
      : `Cannot use the configuration (${problems.length} problems):\n  ${
        lines.join("\n  ")
      }`;
    super("CONFIG", text);
    this.problems = [...problems];
    this.origin = problems[0]?.origin ?? "";
    this.key = problems[0]?.key ?? "";
  }
}

/**
 * A database name that the configuration does not have.
 *
 * @example Usage
 * ```ts
 * import { UnknownDatabaseError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new UnknownDatabaseError("cahce", ["main", "cache"]);
 * assertEquals(error.suggestion, "cache");
 * ```
 */
export class UnknownDatabaseError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "UNKNOWN_DATABASE";
  /** The names that there are. */
  readonly available: readonly string[];
  /** The available name that it is probably a typo of, if there is one. */
  readonly suggestion?: string;

  /**
   * Makes the error.
   *
   * @param name The name that was asked for.
   * @param available The names that there are.
   * @param note Text to end the message with. Default: the suggestion.
   */
  constructor(name: string, available: readonly string[], note?: string) {
    const suggestion = nearest(name, available);
    const meant = suggestion === undefined ? "" : `; did you mean "${suggestion}"?`;
    const hint = note === undefined ? meant : `; ${note}`;
    const known = available.length === 0 ? "none" : available.join(", ");
    super(
      "UNKNOWN_DATABASE",
      `Cannot find database "${name}" in the configuration (available: ${known})${hint}`,
      { database: name },
    );
    this.available = [...available];
    if (suggestion !== undefined) this.suggestion = suggestion;
  }
}

/**
 * Edit distance of two texts, for "did you mean": insertions, deletions,
 * substitutions and swaps of neighbours each cost 1 (optimal string alignment).
 *
 * @param a One text.
 * @param b The other text.
 * @returns How many edits turn one into the other.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
      }
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** Longest text that is compared: longer ones are no typo of a key. */
const MAX_WORD = 64;

/**
 * The candidate that `word` is probably a typo of.
 *
 * @param word What was written.
 * @param candidates What there is.
 * @returns The nearest candidate, or `undefined` when none is within a third of the
 * word's length.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
