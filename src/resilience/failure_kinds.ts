/** What can go wrong with a command or a connection, as the breaker tells it apart. */
export type FailureKind =
  | "refused"
  | "reset"
  | "timeout"
  | "protocol"
  | "reply-error"
  | "loading"
  | "auth"
  | "permission"
  | "aborted"
  | "overload";

/** Whether a kind of failure speaks against the server, and why. */
export interface FailureRule {
  /** Whether it counts towards opening the breaker. */
  readonly counts: boolean;
  /** What it is. */
  readonly meaning: string;
  /** Why it counts or does not. */
  readonly why: string;
}

/**
 * What counts against a database's breaker and what does not: the one table that the
 * code and the documentation share. A breaker protects a server that cannot serve; an
 * answer, whatever it says, shows that the server can.
 *
 * @example Usage
 * ```ts
 * import { FAILURE_KINDS } from "./failure_kinds.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(FAILURE_KINDS.timeout.counts, true);
 * assertEquals(FAILURE_KINDS.auth.counts, false);
 * ```
 */
export const FAILURE_KINDS: Readonly<Record<FailureKind, FailureRule>> = Object.freeze({
  "refused": rule(
    true,
    "no connection could be opened: refused, unreachable, name unknown, TLS not spoken",
    "nothing is there to serve",
  ),
  "reset": rule(
    true,
    "an open connection ended while something was owed on it",
    "the server, or the way to it, broke off",
  ),
  "timeout": rule(
    true,
    "no reply, or no connection, within the deadline",
    "the server hangs or is overloaded, and more work makes it worse",
  ),
  "protocol": rule(
    true,
    "the server sent what is no valid reply, or more than was asked",
    "what is at the other end is no Redis, or is broken",
  ),
  "reply-error": rule(
    false,
    "the server answered with an error: WRONGTYPE, OOM, a script's error",
    "the server is there and has answered",
  ),
  "loading": rule(
    false,
    "the server is not ready yet: LOADING, MASTERDOWN, BUSY",
    "it says so itself and is waited for, within loading_timeout",
  ),
  "auth": rule(
    false,
    "credentials were refused: WRONGPASS, NOAUTH",
    "a wrong password is told at once; waiting does not mend it",
  ),
  "permission": rule(
    false,
    "the user may not do this: NOPERM, or this process lacks a permission",
    "other commands of other users still work",
  ),
  "aborted": rule(
    false,
    "the caller gave up: its signal, its own shorter deadline, a close",
    "it says nothing about the server",
  ),
  "overload": rule(
    false,
    "a bound of this process was reached: waiters, bytes, connections, retries",
    "the command never left this process",
  ),
});

function rule(counts: boolean, meaning: string, why: string): FailureRule {
  return Object.freeze({ counts, meaning, why });
}
