import { delay } from "@std/async/delay";
import type { PendingCommand } from "../../connection/pending_command.ts";
import {
  AcquireTimeoutError,
  AuthError,
  CircuitOpenError,
  ConnectError,
  ConnectionLostError,
  type Delivery,
  NotReadyError,
  ProtocolError,
} from "../../core/errors/mod.ts";
import { ASK_AGAIN, backoffMs } from "../../resilience/backoff.ts";
import type { RetryDecision, RetryPolicy } from "../retry.ts";

const AGAIN: RetryDecision = Object.freeze({
  retry: true,
  delayMs: 0,
  reresolve: false,
  notReady: false,
});

/** Whether an error says that the server is away, and may be back. */
export function isAway(error: unknown): boolean {
  if (error instanceof AcquireTimeoutError) return error.cause !== undefined;
  if (error instanceof ConnectError) {
    return !(error instanceof AuthError) && mayRecover(error);
  }
  return error instanceof NotReadyError || error instanceof CircuitOpenError;
}

/** What no wait mends: a missing permission, an untrusted certificate, another protocol. */
function mayRecover({ cause, retryable }: ConnectError): boolean {
  const { code } = (cause ?? {}) as { code?: string };
  return retryable === true || code === "ENOPRIMARY" || code === "ENOTFOUND";
}

/**
 * Makes a policy by which commands wait as long as the server is away.
 *
 * @param resends Whether commands that may have run are sent again, as ioredis does.
 */
export function patientPolicy(
  policy: Pick<RetryPolicy, "decide">,
  resends: boolean,
): Pick<RetryPolicy, "decide"> {
  return {
    decide: (command, error, delivery) => {
      if (!mayWait(command, error, delivery, resends)) {
        return policy.decide(command, error, delivery);
      }
      const isRefused = error instanceof CircuitOpenError;
      return isRefused ? { ...AGAIN, delayMs: ASK_AGAIN.maxMs } : AGAIN;
    },
  };
}

/** Whether a command that failed waits for the server. */
function mayWait(
  command: PendingCommand,
  error: Error,
  delivery: Delivery,
  resends: boolean,
): boolean {
  const { info } = command.tracking;
  if (info?.name === "exec" || command.inTransaction) return false;
  return waits(error, delivery, resends || info?.isRead === true);
}

/**
 * Whether a failure allows to send again once the server is back.
 *
 * @param mayRunTwice Whether what may have run may be sent again.
 */
export function waits(error: Error, delivery: Delivery, mayRunTwice: boolean): boolean {
  if (delivery === "rejected") return false;
  if (delivery === "ambiguous" && !mayRunTwice) return false;
  // Sent again, the command would get the same reply, which cannot be read.
  if (error instanceof ProtocolError) return delivery === "never-sent";
  return error instanceof ConnectionLostError || isAway(error);
}

/** Calls a function again and again as long as the server is away. */
export async function patiently<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (signal.aborted || !isAway(error)) throw error;
      await delay(backoffMs(attempt, ASK_AGAIN, Math.random()), { signal });
    }
  }
}
