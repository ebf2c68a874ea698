/** What can go wrong with a command or a connection, as the breaker distinguishes it. */
export type FailureKind =
  | "refused"
  | "timeout"
  | "reset"
  | "silent"
  | "protocol"
  | "idle"
  | "late"
  | "reply-error"
  | "loading"
  | "auth"
  | "permission"
  | "aborted"
  | "overload";

/**
 * How often a kind of failure counts: each attempt to connect that is at least
 * `connect_retry.min` later than the last one that counted; once for all connections that
 * one event met, until the next connection is open; or never.
 */
export type Counting = "attempt" | "event" | "never";

/**
 * What shows that the server serves again: a connection that becomes ready, or the reply to
 * a command of a caller.
 */
export type Cure = "connection" | "reply";

/** Whether a kind of failure is evidence against the server, and why. */
export interface FailureRule {
  /** How often it counts towards opening the breaker. */
  readonly counts: Counting;
  /** What shows that it is over: forgets it, and closes a breaker that it opened. */
  readonly cure: Cure;
  /** What it is. */
  readonly meaning: string;
  /** Why it counts or does not. */
  readonly why: string;
}

/**
 * What is evidence against a server: the one table that the breaker and the documentation
 * share. A breaker protects a server that cannot serve; it must not open on one that can.
 *
 * 1. An event counts once. A restart cuts all connections at the same moment, so cuts
 *    count once until the next connection is open. While a server is away it is tried
 *    several times a second, so attempts count once in `connect_retry.min`: with the
 *    defaults the breaker opens about 8 s after the server went. Until then commands wait
 *    within their deadline, and `max_waiting` bounds how many.
 * 2. What one connection can cure is over when one is ready, whatever it was opened for.
 *    A breaker that opened for such a reason closes then, at any time; the server is
 *    tried without callers too ({@linkcode probeDelayMs}).
 * 3. A server that accepts connections and then does not answer commands is left alone
 *    for `circuit_breaker_timeout`. Then single commands are let through, and a reply
 *    closes the breaker.
 *
 * @example Usage
 * ```ts
 * import { FAILURE_KINDS } from "./failure_kinds.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(FAILURE_KINDS.reset.counts, "event");
 * assertEquals(FAILURE_KINDS.auth.counts, "never");
 * ```
 */
export const FAILURE_KINDS: Readonly<Record<FailureKind, FailureRule>> = Object.freeze({
  "refused": rule(
    "attempt",
    "connection",
    "an attempt to connect failed: refused, unreachable, name unknown, TLS not spoken",
    "nothing is there to serve",
  ),
  "timeout": rule(
    "attempt",
    "connection",
    "an attempt to connect was not answered within connect_timeout",
    "nothing is there to serve, or it hangs",
  ),
  "reset": rule(
    "event",
    "connection",
    "an open connection was cut while a reply was owed on it",
    "the server, or the way to it, broke off; the next attempt to connect shows which",
  ),
  "silent": rule(
    "event",
    "reply",
    "an open connection gave no reply for command_timeout while commands waited for some",
    "the server hangs or is overloaded, and more work makes it worse",
  ),
  "protocol": rule(
    "event",
    "reply",
    "the server sent what is no valid reply, or more than was asked",
    "what is at the other end is no Redis, or is broken",
  ),
  "idle": never(
    "an open connection ended while no reply was owed on it",
    "servers and proxies close idle connections; it is replaced when it is needed",
  ),
  "late": never(
    "a command's deadline passed: its caller's own, or while others were answered",
    "the server may need longer for this command than its caller has time for",
  ),
  "reply-error": never(
    "the server answered with an error: WRONGTYPE, OOM, a script's error",
    "the server is there and has answered",
  ),
  "loading": never(
    "the server is not ready yet: LOADING, MASTERDOWN, BUSY",
    "it says so itself and is waited for, within loading_timeout",
  ),
  "auth": never(
    "credentials were refused: WRONGPASS, NOAUTH",
    "a wrong password is reported at once; waiting does not help",
  ),
  "permission": never(
    "the user may not do this: NOPERM, or this process lacks a permission",
    "other commands of other users still work",
  ),
  "aborted": never(
    "the caller gave up: its signal, a close",
    "it says nothing about the server",
  ),
  "overload": never(
    "a bound of this process was reached: waiters, bytes, connections, retries",
    "the command never left this process",
  ),
});

function rule(counts: Counting, cure: Cure, meaning: string, why: string): FailureRule {
  return Object.freeze({ counts, cure, meaning, why });
}

function never(meaning: string, why: string): FailureRule {
  return rule("never", "connection", meaning, why);
}
