import type { RedisConfig } from "../config/mod.ts";
import { nearest } from "../core/errors/base.ts";

/** Settings of single calls, for `RedisClient.with()`. */
export interface CallOptions {
  /**
   * Aborts the call. A command that has not been sent is withdrawn and never runs: the call
   * rejects with the signal's reason. So does one that only reads. The reply of any other
   * command that has been sent is dropped: the call rejects with a `CommandAbortedError`,
   * which is ambiguous and has the reason as its cause.
   *
   * A blocking command is ended on the server. The call resolves with an element that it
   * took before that, else it rejects with the reason. Where the server does not answer
   * within a second, it rejects with a `CommandAbortedError`.
   */
  readonly signal?: AbortSignal;
  /** Deadline, in milliseconds, more than 0; `Infinity` for none. Default: the database's
   * `commandTimeoutMs`. For a blocking command it includes the wait for a connection; when it
   * has passed, the command is ended on the server, and the call resolves with an element that
   * it took before.
   *
   * Without a deadline an ordinary command fails when its connection is lost, and that is
   * closed when the server sent no reply on it for 30 s, or for `commandTimeoutMs` if that is
   * longer: it may be dead. What a server needs longer for belongs into a database of its own
   * (of the same server) whose `commandTimeoutMs` is longer. */
  readonly timeoutMs?: number;
  /** Whether an ambiguous write is sent again, and may run twice. Default: the database's
   * `retryWrites`. */
  readonly retryWrites?: boolean;
  /** Whether a read asks the server although the near cache has its reply, which the answer
   * replaces. Default `false`; without a near cache every read does. */
  readonly fresh?: boolean;
  /**
   * Whether writes run once: each is sent in a script, which remembers the reply in the same
   * slot. After a loss it is sent again, within deadline and `maxRetries`, and gets that
   * reply if it had run. What stays unknown, as after a restart without `appendfsync
   * always`, is ambiguous as ever, and the error says why.
   *
   * Refused before anything is sent: what blocks, scripts, what scripts may not run, more
   * than 7,000 arguments, and in a cluster commands without keys. What is promised, and what
   * is not: [ONCE.md](https://jsr.io/@mooring/redis/0.1.0/src/commands/ONCE.md).
   * Default: `false`.
   */
  readonly once?: boolean;
  /** How long the server remembers a write of {@linkcode CallOptions.once}, in milliseconds;
   * not less than the deadline. Default: twice the deadline, at least 60,000. */
  readonly onceTtlMs?: number;
  /**
   * How many replicas must have a write before its call resolves; 1 or more. If fewer have
   * confirmed it within `waitMs`, it rejects with a `DurabilityError`, which carries the
   * reply and their number: the write was made. Replies that come together share one WAIT.
   * The user needs INFO, and PUBLISH to the channel `mooring:wait` (in a cluster SET of the
   * keys `mooring:wait:*`).
   * A signal aborts the write, not the wait for replicas.
   */
  readonly waitReplicas?: number;
  /** Longest wait for `waitReplicas`, in milliseconds, more than 0. Default: the deadline. */
  readonly waitMs?: number;
  /** Which servers reads go to: `primary`, `prefer_replica`, `replica` or `az_affinity`.
   * `primary` reads what this process has written; replicas may not have it yet. Default: the
   * database's `readFrom`. */
  readonly readFrom?: RedisConfig["readFrom"];
}

/** A command with what its caller set for it. */
export interface ScopedCommand {
  /** What was set; absent for most commands. */
  call?: CallOptions;
}

/** The settings of a database that calls are checked with. */
type CallConfig = Pick<RedisConfig, "clientAz" | "commandTimeoutMs" | "mode">;

/** The names of all settings. */
const NAMES: readonly (keyof CallOptions)[] = [
  ...["fresh", "once", "onceTtlMs", "readFrom", "retryWrites", "signal"] as const,
  ...["timeoutMs", "waitMs", "waitReplicas"] as const,
];

/** Settings that something other than true would silently leave off. */
const FLAGS = ["fresh", "once", "retryWrites"] as const;

/** Whether a value can be a deadline, in milliseconds; a number in a text cannot. */
export function isDeadline(ms: unknown): boolean {
  return typeof ms === "number" && ms > 0;
}

/**
 * Checks that options are known ones: a misspelled one would silently leave off what its
 * caller relies on.
 *
 * @param action What is called, in words.
 * @param names The known ones.
 * @throws {RangeError} If one is not known.
 */
export function checkNames(
  options: object,
  action: string,
  names: readonly string[],
): void {
  const name = Object.keys(options).find((name) => !names.includes(name));
  if (name === undefined) return;
  const meant = nearest(name, names);
  const isOfCalls = (NAMES as readonly string[]).includes(name);
  const hint = meant === undefined ? "" : `; did you mean "${meant}"?`;
  const advice = `; client.with({ ${name} }).pipeline() or .multi() may have it`;
  throw new RangeError(
    `Cannot ${action} with the option "${name}" (available: ${names.join(", ")})` +
      (isOfCalls ? advice : hint),
  );
}

/**
 * Checks settings of calls.
 *
 * @throws {RangeError} If one is not allowed.
 */
export function checkCall(call: CallOptions, config: CallConfig): void {
  checkNames(call, "make calls", NAMES);
  const { once, readFrom, timeoutMs, waitReplicas } = call;
  if (timeoutMs !== undefined && !isDeadline(timeoutMs)) {
    throw new RangeError(
      "Cannot set a deadline as timeoutMs must be more than 0: current value is " +
        Deno.inspect(timeoutMs),
    );
  }
  for (const name of FLAGS) {
    if (typeof (call[name] ?? false) === "boolean") continue;
    throw new RangeError(
      `Cannot make calls as ${name} must be true or false: current value is ` +
        Deno.inspect(call[name]),
    );
  }
  if (once === true) onceTtlMs(call, config.commandTimeoutMs);
  if (waitReplicas !== undefined) checkReplicas(call);
  if (readFrom !== undefined) checkReadFrom(readFrom, config);
}

/** Shortest default life of a token, in milliseconds. */
const MIN_TTL_MS = 60_000;
/** How long a token lives; throws if that is too short for the call. */
export function onceTtlMs(
  { onceTtlMs, timeoutMs }: Pick<CallOptions, "onceTtlMs" | "timeoutMs">,
  commandTimeoutMs: number,
): number {
  const deadlineMs = timeoutMs ?? commandTimeoutMs;
  const ttlMs = onceTtlMs ?? Math.max(MIN_TTL_MS, 2 * deadlineMs);
  if (ttlMs >= deadlineMs && Number.isFinite(ttlMs)) return Math.ceil(ttlMs);
  throw new RangeError(
    `Cannot remember a write for onceTtlMs: ${ttlMs}, as it may be sent again for its ` +
      `deadline of ${deadlineMs} ms: give a finite number that is not less`,
  );
}

function checkReplicas({ waitReplicas, waitMs }: CallOptions): void {
  if (!Number.isSafeInteger(waitReplicas) || waitReplicas! < 1) {
    throw new RangeError(
      `Cannot wait for replicas as waitReplicas must be an integer of 1 or more: current ` +
        `value is ${waitReplicas}`,
    );
  }
  if (waitMs === undefined || (waitMs > 0 && Number.isFinite(waitMs))) return;
  throw new RangeError(
    `Cannot wait for replicas as waitMs must be more than 0 and finite: current value is ` +
      `${waitMs}`,
  );
}

/** Where reads may go. */
const READ_FROM: readonly RedisConfig["readFrom"][] = [
  ...["primary", "prefer_replica", "replica", "az_affinity"] as const,
];

function checkReadFrom(
  from: RedisConfig["readFrom"],
  { clientAz, mode }: CallConfig,
): void {
  if (!READ_FROM.includes(from)) {
    throw new RangeError(
      `Cannot read as readFrom must be ${READ_FROM.join(", ")}: current value is ` +
        JSON.stringify(from),
    );
  }
  if (from === "replica" && mode === "standalone") {
    throw new RangeError(
      "Cannot read as readFrom replica needs mode sentinel or cluster: current mode is " +
        mode,
    );
  }
  if (from === "az_affinity" && clientAz === undefined) {
    throw new RangeError(
      "Cannot read as readFrom az_affinity needs the setting client_az, this process' zone",
    );
  }
}
