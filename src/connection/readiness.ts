import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { retry } from "@std/async/retry";
import type { Clock } from "../core/clock.ts";
import { NotReadyError } from "../core/errors/mod.ts";
import { isReplyError } from "./driver.ts";

/** What a server says of the loading of its data. */
export interface LoadingProgress {
  /** Share that is loaded, 0 to 100, if it says. */
  readonly percent?: number;
  /** Its estimate of the seconds left, if it says. */
  readonly etaSeconds?: number;
}

/** What the wait for a server needs. */
export interface ReadinessOptions {
  /** Name of the database. */
  readonly database: string;
  /** Longest wait, in milliseconds. */
  readonly timeoutMs: number;
  /** What the server said when it was asked last, such as `LOADING`, if it was asked. */
  readonly said?: string;
  /** Sends PING: resolves when the server serves, rejects with its reply if not. */
  ping(): Promise<unknown>;
  /** Asks `INFO persistence`. */
  info(): Promise<string>;
  /** Told at each look at a server that is loading. */
  progress(progress: LoadingProgress, waitedMs: number): void;
  /** Time. */
  readonly clock: Clock;
  /** Aborts the wait. */
  readonly signal: AbortSignal;
}

/** Shortest and longest time between two looks at a loading server. */
const POLL_MIN_MS = 50;
const POLL_MAX_MS = 200;
/** Share of the server's own estimate after which it is looked at again. */
const ETA_SHARE = 0.5;
/** The part of that time that is left to `retry`; the rest is paced by the estimate. */
const RETRY_GAP_MS = 10;

/** First words of replies that mean "up, but not serving yet". */
const NOT_READY: ReadonlySet<string> = new Set(["LOADING", "MASTERDOWN", "BUSY"]);

/** The word of an error reply that says what kind it is. */
function kindOf(error: unknown): string {
  return error instanceof Error ? error.message.split(" ", 1)[0]! : "";
}

/**
 * What `INFO persistence` says of loading.
 *
 * @param info The text of the reply.
 * @returns Percent and estimate, as far as the server tells.
 */
export function parseLoading(info: string): LoadingProgress {
  const field = (name: string) => {
    const value = new RegExp(`^${name}:([0-9.]+)`, "m").exec(info)?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const percent = field("loading_loaded_perc");
  const etaSeconds = field("loading_eta_seconds");
  return {
    ...(percent === undefined ? {} : { percent }),
    ...(etaSeconds === undefined ? {} : { etaSeconds }),
  };
}

/**
 * How long to wait before the next look at a server that is loading: half of what it
 * expects to need, and never so long that its being ready is noticed late: its estimates
 * are rough.
 *
 * @param etaSeconds The server's estimate, if it gave one.
 * @returns Milliseconds.
 */
export function nextPollMs(etaSeconds: number | undefined): number {
  if (etaSeconds === undefined) return POLL_MIN_MS;
  return Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, etaSeconds * 1000 * ETA_SHARE));
}

/** The server is up and answered that it does not serve yet. */
class NotServing extends Error {
  constructor(readonly kind: string) {
    super(kind);
  }
}

/**
 * Waits until the server serves: PING is refused while data is being loaded, while a
 * script runs for long, and by a replica that has lost its primary and may not serve
 * stale data.
 *
 * @param options What to ask, how long, whom to tell.
 * @throws {NotReadyError} If it takes longer than allowed.
 */
export async function waitUntilReady(options: ReadinessOptions): Promise<void> {
  const { clock, database, said, timeoutMs } = options;
  const startedAt = clock.now();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let last: LoadingProgress & { kind?: string } = { kind: said };
  const look = async () => {
    const kind = await whyNotServing(() => options.ping());
    if (kind === undefined) return;
    const progress = kind === "LOADING" ? parseLoading(await options.info()) : {};
    last = { ...progress, kind };
    if (kind === "LOADING") options.progress(progress, clock.now() - startedAt);
    await delay(nextPollMs(progress.etaSeconds) - RETRY_GAP_MS, { signal });
    throw new NotServing(kind);
  };
  const looking = retry(look, {
    maxAttempts: Number.MAX_SAFE_INTEGER,
    minTimeout: RETRY_GAP_MS,
    maxTimeout: RETRY_GAP_MS,
    jitter: 0,
    isRetriable: (error) => error instanceof NotServing,
    signal,
  });
  try {
    await deadline(looking, timeoutMs, { signal: options.signal });
  } catch (error) {
    if (!isTimeout(error)) throw error;
    if (last.kind === undefined) {
      throw silence(timeoutMs);
    }
    throw new NotReadyError(database, last.kind, clock.now() - startedAt, last);
  } finally {
    stop.abort();
  }
}

/** The server is connected and has not said whether it serves. */
function silence(timeoutMs: number): Error {
  const error = new Error(`no answer to PING within ${timeoutMs} ms`);
  return Object.assign(error, { code: "ETIMEDOUT" });
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/**
 * Asks a server once whether it serves.
 *
 * @param ping Sends PING.
 * @returns Why it does not, such as `LOADING`; `undefined` if it does.
 * @throws {Error} If PING failed for anything else.
 */
export async function whyNotServing(
  ping: () => Promise<unknown>,
): Promise<string | undefined> {
  try {
    await ping();
    return undefined;
  } catch (error) {
    const kind = kindOf(error);
    if (NOT_READY.has(kind)) return kind;
    // A user who may not PING, and a proxy that does not know it, is served all the same.
    if (isReplyError(error) && kind !== "NOAUTH") return undefined;
    throw error;
  }
}
