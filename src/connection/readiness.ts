import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { retry } from "@std/async/retry";
import type { Clock } from "../core/clock.ts";
import { NotReadyError } from "../core/errors/mod.ts";
import { isTimeout } from "./connect_failure.ts";
import { isReplyError } from "./ioredis.ts";

/** Progress of a server that loads its data. */
export interface LoadingProgress {
  /** Percentage that is loaded, if reported. */
  readonly percent?: number;
  /** Estimate of the seconds left, if reported. */
  readonly etaSeconds?: number;
}

/** Options of {@linkcode waitUntilReady}. */
interface ReadinessOptions {
  /** Name of the database. */
  readonly database: string;
  /** Longest wait, in milliseconds. */
  readonly timeoutMs: number;
  /** Why the server was not ready before, such as `LOADING`, if it was asked. */
  readonly refusal?: string | undefined;
  /** Sends PING. */
  ping(): Promise<unknown>;
  /** Sends `INFO persistence`. */
  info(): Promise<string>;
  /** Observes the progress of a server that is loading. */
  progress(progress: LoadingProgress, waitedMs: number): void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Shortest and longest time between two looks at a loading server. */
const POLL_MIN_MS = 50;
const POLL_MAX_MS = 200;
/** Share of the server's own estimate after which it is asked again. */
const ETA_SHARE = 0.5;
/** The part of that time that is left to `retry`; the rest is paced by the estimate. */
const RETRY_GAP_MS = 10;

/** First words of replies that mean "up, but not serving yet". */
const NOT_READY: ReadonlySet<string> = new Set(["LOADING", "MASTERDOWN", "BUSY"]);

/** The code of an error reply. */
function codeOf(error: unknown): string {
  return error instanceof Error ? error.message.split(" ", 1)[0]! : "";
}

/** Reads the progress of loading from the reply to `INFO persistence`. */
export function parseLoading(info: string): LoadingProgress {
  const field = (key: keyof LoadingProgress, name: string) => {
    const value = new RegExp(`^${name}:([0-9.]+)`, "m").exec(info)?.[1];
    return value === undefined ? {} : { [key]: Number(value) };
  };
  return {
    ...field("percent", "loading_loaded_perc"),
    ...field("etaSeconds", "loading_eta_seconds"),
  };
}

/** Milliseconds until the next look at a server that is loading: half of its estimate,
 * within limits, as its estimates are rough. */
export function nextPollMs(etaSeconds: number | undefined): number {
  if (etaSeconds === undefined) return POLL_MIN_MS;
  return Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, etaSeconds * 1000 * ETA_SHARE));
}

/** The server answered that it is not ready. */
class NotReady extends Error {}

/**
 * Waits until the server is ready: PING is refused while data is being loaded, while a long
 * script runs, and by a replica that has lost its primary and may not serve stale data.
 *
 * @throws {NotReadyError} If it takes longer than allowed.
 */
export async function waitUntilReady(options: ReadinessOptions): Promise<void> {
  const { clock, database, refusal, timeoutMs } = options;
  const startedAt = clock.now();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let last: LoadingProgress & { kind?: string } = { kind: refusal };
  const look = async () => {
    const kind = await whyNotServing(options.ping());
    if (kind === undefined) return;
    const progress = kind === "LOADING" ? parseLoading(await options.info()) : {};
    last = { ...progress, kind };
    if (kind === "LOADING") options.progress(progress, clock.now() - startedAt);
    await delay(nextPollMs(progress.etaSeconds) - RETRY_GAP_MS, { signal });
    throw new NotReady(kind);
  };
  const looking = retry(look, {
    maxAttempts: Number.MAX_SAFE_INTEGER,
    minTimeout: RETRY_GAP_MS,
    maxTimeout: RETRY_GAP_MS,
    jitter: 0,
    isRetriable: (error) => error instanceof NotReady,
    signal,
  });
  try {
    await deadline(looking, timeoutMs, { signal: options.signal });
  } catch (error) {
    if (!isTimeout(error)) throw error;
    if (last.kind === undefined) {
      const silence = new Error(`no answer to PING within ${timeoutMs} ms`);
      throw Object.assign(silence, { code: "ETIMEDOUT" });
    }
    throw new NotReadyError(database, last.kind, clock.now() - startedAt, last);
  } finally {
    stop.abort();
  }
}

/**
 * Why a server is not ready, such as `LOADING`; `undefined` if it is.
 *
 * @param ping The reply to a PING.
 * @throws {Error} If PING failed for another reason.
 */
export async function whyNotServing(
  ping: Promise<unknown>,
): Promise<string | undefined> {
  try {
    await ping;
    return undefined;
  } catch (error) {
    const kind = codeOf(error);
    if (NOT_READY.has(kind)) return kind;
    // Other commands work for a user who may not PING, and at a proxy that does not know it.
    if (isReplyError(error) && kind !== "NOAUTH") return undefined;
    throw error;
  }
}
