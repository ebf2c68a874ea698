import { AuthError, NotReadyError } from "../core/errors/mod.ts";
import type { FailureKind } from "../resilience/failure_kinds.ts";
import { isReplyError } from "./driver.ts";

/** First words of replies to a handshake that no new attempt will change. */
const AUTH_CODES: ReadonlySet<string> = new Set(["WRONGPASS", "NOAUTH", "NOPERM"]);

/**
 * Whether the server refused the credentials.
 *
 * @param error What the handshake failed with.
 * @returns `true` for WRONGPASS and its kin.
 */
export function isAuthFailure(error: unknown): boolean {
  return isReplyError(error) && AUTH_CODES.has(error.message.split(" ", 1)[0]!);
}

/** The runtime refused: a permission is missing. */
function isDenied(error: unknown): boolean {
  // Deno before 2 called it PermissionDenied; node:net hands either through.
  return error instanceof Deno.errors.NotCapable ||
    error instanceof Deno.errors.PermissionDenied;
}

/**
 * Whether a new attempt would fail in the same way: credentials, permissions, a
 * database number that the server does not have, a certificate that does not fit.
 *
 * @param error What an attempt failed with.
 * @returns `true` if it should not be tried again.
 */
export function isPermanent(error: unknown): boolean {
  if (error instanceof AuthError || isDenied(error)) return true;
  const { code, message = "" } = error as { code?: string; message?: string };
  return code === "DENIED" || code?.startsWith("ERR_TLS") === true ||
    message.includes("DB index is out of range");
}

/**
 * What a failed attempt is to the circuit breaker.
 *
 * @param error What the attempt failed with.
 * @returns The kind of failure.
 */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof AuthError) return "auth";
  if (error instanceof NotReadyError) return "loading";
  if ((error as { code?: string }).code === "DENIED") return "permission";
  if ((error as { code?: string }).code === "ETIMEDOUT") return "timeout";
  return "refused";
}

/**
 * Says why an attempt failed.
 *
 * @param error What it failed with.
 * @param timeoutMs Its deadline, in milliseconds.
 * @returns An error with a message for people, without secrets.
 */
export function explainConnectFailure(error: unknown, timeoutMs: number): Error {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return coded(`no answer within ${timeoutMs} ms`, "ETIMEDOUT");
  }
  if (isDenied(error)) {
    return coded("this process may not open it: run it with --allow-net", "DENIED");
  }
  const { code } = error as { code?: string };
  return coded(error instanceof Error ? error.message : String(error), code);
}

function coded(message: string, code: string | undefined): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}
