import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { retry, RetryError } from "@std/async/retry";
import { AuthError, ConnectError, RedisManagerError } from "../core/errors/mod.ts";
import { RECONNECT_BACKOFF } from "../resilience/backoff.ts";
import type { FailureKind } from "../resilience/failure_kinds.ts";
import { describeEndpoint, type Endpoint } from "../transport/channel.ts";
import { type Confirm, WrongServer } from "./confirm.ts";
import { ConnectGate } from "./connect_gate.ts";
import {
  explainConnectFailure,
  failureKind,
  isAuthFailure,
  isPermanent,
} from "./connect_failure.ts";
import type { Connection } from "./connection.ts";
import type { ProtocolChoice } from "./greeting.ts";
import {
  CutAtHello,
  CutUnheard,
  type HandshakeOptions,
  type Link,
  shakeHands,
} from "./handshake.ts";
import { keepBeating } from "./heartbeat.ts";
import { overhear } from "./overhear.ts";
import { isServing, type LoadingProgress, waitUntilReady } from "./readiness.ts";

/** How the opening of connections is tried again. */
export interface ConnectRetryPolicy {
  /** Attempts altogether. */
  readonly attempts: number;
  /** Milliseconds before the second attempt. */
  readonly minMs: number;
  /** Most milliseconds between attempts. */
  readonly maxMs: number;
  /** What the wait grows by each time. */
  readonly multiplier: number;
  /** Share of the wait that is random, 0 to 1. */
  readonly jitter: number;
}

/** What the opening of a database's connections needs. */
export interface OpenerOptions extends HandshakeOptions {
  /** Deadline of one attempt, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest wait for a server that loads its data, in milliseconds. */
  readonly loadingTimeoutMs: number;
  /** Name of the connections in CLIENT LIST. Default: that of the database, and the
   * purpose. */
  readonly clientName?: string;
  /** Silence on a lane after which it is asked for a sign of life, in milliseconds;
   * 0 = never. */
  readonly heartbeatMs: number;
  /** How it is tried again. */
  readonly retry: ConnectRetryPolicy;
  /** What is connected to, in words, as long as no address is known. */
  readonly where?: string;
  /** Finds the server; asked for each attempt. Of several addresses each is tried in
   * turn, within the deadline of the attempt. */
  readonly resolve: (signal: AbortSignal) => Promise<Endpoint | readonly Endpoint[]>;
  /** Judges whether the server is the one that was meant; if not, it is resolved again. */
  readonly confirm?: Confirm;
  /** Whether a failed attempt may be followed by another one; not while the circuit
   * breaker keeps the server from being asked. */
  readonly mayRetry: () => boolean;
  /**
   * Told of each attempt that failed.
   *
   * @param error Why.
   * @param endpoint Where it went.
   * @param kind What it is to the circuit breaker.
   * @param source Set for attempts in quick succession: together they are one failure.
   */
  readonly attemptFailed: (
    error: Error,
    endpoint: string,
    kind: FailureKind,
    source?: object,
  ) => void;
  /** Told of each attempt that follows a failed one. */
  readonly attemptRepeated: () => void;
  /** Told at each look at a server that is loading. */
  readonly loading: (progress: LoadingProgress, waitedMs: number) => void;
}

/** Attempts after a loss, from 50 ms on, before the configured policy begins. */
const FAST_ATTEMPTS = 6;
/** Failures of fast attempts within so many milliseconds count once: a server that is
 * restarted within a second or two must not trip the breaker. */
const FAST_COUNT_MS = 500;
/** How long a server that cut an attempt short is listened to, in milliseconds. */
const OVERHEAR_MS = 250;
/** Least time between two such connections, in milliseconds. */
const OVERHEAR_EVERY_MS = 1000;
/** A server that closed at HELLO, and not without it, is spared it for so many milliseconds:
 * it may have closed for another reason. */
const PLAIN_MS = 60_000;
/** Pause before it is asked again where to connect, after a wrong server, in milliseconds. */
const WRONG_SERVER_PAUSE_MS = 100;

/** Where to connect has changed: what is being tried is tried anew. */
class Redirected extends Error {}

/** What became known during an attempt. */
interface Tried {
  /** The server was there, and not the one that was meant. */
  wrong?: WrongServer;
}

/** A server that was connected to. */
interface Reached {
  readonly link: Link;
  readonly endpoint: Endpoint;
  /** Whether it said that it serves. */
  readonly isServing: boolean;
}

/** Opens connections to one database, trying again as its policy says. */
export class Opener {
  readonly #options: OpenerOptions;
  readonly #gate: ConnectGate;
  #endpoint: string;
  /** Ends what is being tried when where to connect has changed. */
  #round = new AbortController();
  #lost = false;
  #overheardAt = -Infinity;
  /** Until when HELLO is left out, as the server closed at it. */
  #plainUntil = -Infinity;
  #counted: { readonly at: number; readonly source: object } | undefined;

  /**
   * Makes an opener; opens nothing.
   *
   * @param options What it needs.
   */
  constructor(options: OpenerOptions) {
    this.#options = options;
    this.#gate = new ConnectGate(options.clock);
    this.#endpoint = options.where ?? "";
  }

  /** Where to connect has changed: attempts under way, and waits for them, begin anew. */
  redirect(): void {
    const last = this.#round;
    this.#round = new AbortController();
    this.#lost = true;
    last.abort(new Redirected("the server is another one now"));
  }

  /**
   * A working connection was lost: the next opening starts fast.
   *
   * @param hadAnswered Whether anything was answered on it.
   */
  connectionLost(hadAnswered: boolean): void {
    this.#lost = true;
    this.#gate.lost(hadAnswered);
  }

  /**
   * Opens a connection that is connected, authenticated and served.
   *
   * @param purpose What it is for: part of the name the server lists it under.
   * @param signal Aborts the opening.
   * @returns The connection.
   * @throws {ConnectError} If every attempt failed.
   * @throws {AuthError} If the server refused the credentials; not tried again.
   * @throws {NotReadyError} If the server was loading for longer than allowed.
   */
  async open(purpose: "lane" | "lease", signal: AbortSignal): Promise<Connection> {
    const { clock, database } = this.#options;
    const startedAt = clock.now();
    const causes: Error[] = [];
    try {
      const connection = await this.#retryRounds(purpose, causes, signal);
      this.#lost = false;
      this.#counted = undefined;
      return connection;
    } catch (error) {
      signal.throwIfAborted();
      const last = error instanceof RetryError ? error.cause : error;
      if (last instanceof RedisManagerError) throw last;
      const elapsedMs = clock.now() - startedAt;
      throw new ConnectError(database, this.#endpoint, listReasons(causes), {
        attempts: causes.length,
        elapsedMs,
        retryable: !isPermanent(last),
        cause: last,
      });
    }
  }

  /** Attempts as the policy says, from the beginning whenever it is redirected. */
  async #retryRounds(
    purpose: "lane" | "lease",
    causes: Error[],
    signal: AbortSignal,
  ): Promise<Connection> {
    while (true) {
      const round = this.#round.signal;
      try {
        return await this.#retry(purpose, causes, AbortSignal.any([signal, round]));
      } catch (error) {
        if (signal.aborted || !round.aborted) throw error;
        // What ended here was an attempt elsewhere: it says nothing of this server.
        this.#lost = true;
      }
    }
  }

  /** Fast attempts if a working connection was lost, then those of the policy. */
  async #retry(
    purpose: "lane" | "lease",
    causes: Error[],
    signal: AbortSignal,
  ): Promise<Connection> {
    const isRetriable = (error: unknown) =>
      !isPermanent(error) && this.#options.mayRetry();
    const attempt = (isFast: boolean) => () =>
      this.#attemptInTurn(purpose, isFast, causes, signal);
    if (this.#lost) {
      const { minMs, multiplier, jitter } = RECONNECT_BACKOFF;
      const { maxMs } = this.#options.retry;
      try {
        return await retry(attempt(true), {
          maxAttempts: FAST_ATTEMPTS,
          minTimeout: Math.min(minMs, maxMs),
          maxTimeout: maxMs,
          multiplier,
          jitter,
          isRetriable,
          signal,
        });
      } catch (error) {
        this.#lost = false;
        if (!(error instanceof RetryError)) throw error;
      }
    }
    const { attempts, minMs, maxMs, multiplier, jitter } = this.#options.retry;
    return await retry(attempt(false), {
      maxAttempts: attempts,
      minTimeout: minMs,
      maxTimeout: maxMs,
      multiplier,
      jitter,
      isRetriable,
      signal,
    });
  }

  #attemptInTurn(
    purpose: "lane" | "lease",
    isFast: boolean,
    causes: Error[],
    signal: AbortSignal,
  ): Promise<Connection> {
    return this.#gate.pass(async () => {
      if (causes.length > 0) this.#options.attemptRepeated();
      try {
        return await this.#attempt(purpose, signal);
      } catch (error) {
        signal.throwIfAborted();
        causes.push(error as Error);
        const source = isFast ? this.#sourceOfFast() : undefined;
        const kind = failureKind(error);
        this.#options.attemptFailed(error as Error, this.#endpoint, kind, source);
        throw error;
      }
    }, signal);
  }

  /** The same object for fast attempts that count as one failure. */
  #sourceOfFast(): object {
    const now = this.#options.clock.now();
    if (this.#counted === undefined || now - this.#counted.at >= FAST_COUNT_MS) {
      this.#counted = { at: now, source: {} };
    }
    return this.#counted.source;
  }

  /** One attempt: a socket and a handshake under the deadline, then the loading wait. */
  async #attempt(purpose: "lane" | "lease", signal: AbortSignal): Promise<Connection> {
    const { connectTimeoutMs, database, clock } = this.#options;
    const { silenceLimitMs: timeoutMs, heartbeatMs: intervalMs } = this.#options;
    const stop = new AbortController();
    const tried: Tried = {};
    try {
      const within = AbortSignal.any([signal, stop.signal]);
      const name = this.#options.clientName ?? `mooring:${database}:${purpose}`;
      const opening = this.#reach(name, within, tried);
      const reached = await deadline(opening, connectTimeoutMs, { signal });
      const { link } = reached;
      if (!reached.isServing) await this.#awaitServing(reached, signal);
      const connection = link.connect();
      if (purpose === "lane" && intervalMs > 0) {
        keepBeating(connection, { intervalMs, timeoutMs }, clock);
      }
      return connection;
    } catch (error) {
      stop.abort(error);
      if (error instanceof RedisManagerError) throw error;
      // The time was spent on servers that were there and not meant.
      if (tried.wrong !== undefined && isTimeout(error)) throw tried.wrong;
      const explained = explainConnectFailure(error, connectTimeoutMs, this.#endpoint);
      if (!isAuthFailure(error)) throw explained;
      throw new AuthError(database, this.#endpoint, explained.message);
    }
  }

  /** Asks again where to connect for as long as the server is not the one that was meant. */
  async #reach(name: string, signal: AbortSignal, tried: Tried): Promise<Reached> {
    while (true) {
      try {
        return await this.#tryEach(name, signal);
      } catch (error) {
        if (!(error instanceof WrongServer)) throw error;
        tried.wrong = error;
        await delay(WRONG_SERVER_PAUSE_MS, { signal });
      }
    }
  }

  /** Tries the addresses in turn; each has its share of the attempt's time. */
  async #tryEach(name: string, signal: AbortSignal): Promise<Reached> {
    const { connectTimeoutMs, resolve, where } = this.#options;
    this.#endpoint = where ?? this.#endpoint;
    const endpoints = [await resolve(signal)].flat();
    const failures: string[] = [];
    for (const endpoint of endpoints) {
      const stop = new AbortController();
      const within = AbortSignal.any([signal, stop.signal]);
      try {
        const reaching = this.#reachOne(endpoint, name, within);
        if (endpoints.length === 1) return await reaching;
        const shareMs = Math.ceil(connectTimeoutMs / endpoints.length);
        return await deadline(reaching, shareMs, { signal });
      } catch (error) {
        stop.abort(error);
        signal.throwIfAborted();
        if (endpoints.length === 1 || isAuthFailure(error)) throw error;
        const { message } = explainConnectFailure(
          error,
          Math.ceil(connectTimeoutMs / endpoints.length),
          this.#endpoint,
        );
        failures.push(`${this.#endpoint}: ${message}`);
      }
    }
    throw new Error(failures.join("; "));
  }

  async #reachOne(
    endpoint: Endpoint,
    name: string,
    signal: AbortSignal,
  ): Promise<Reached> {
    const link = await this.#handshake(endpoint, name, signal);
    await this.#confirm(link, endpoint);
    const serves = await isServing(() => link.redis.ping());
    if (serves) await link.complete();
    return { link, endpoint, isServing: serves };
  }

  async #confirm({ redis }: Link, endpoint: Endpoint): Promise<void> {
    await this.#options.confirm?.(endpoint, (command) => redis.call(command));
  }

  async #handshake(endpoint: Endpoint, name: string, signal: AbortSignal): Promise<Link> {
    this.#endpoint = describeEndpoint(endpoint);
    const { clock, protocol = "auto" } = this.#options;
    const isPlain = clock.now() < this.#plainUntil;
    const shake = (version: ProtocolChoice) =>
      shakeHands(this.#options, endpoint, name, signal, version);
    try {
      return await shake(isPlain ? 2 : protocol);
    } catch (error) {
      const isUnheard = error instanceof CutUnheard;
      const isCut = isUnheard || error instanceof CutAtHello;
      if (!isCut || !this.#mayOverhear()) throw error;
      const said = isUnheard ? await this.#overhear(endpoint, signal) : undefined;
      if (said !== undefined) throw said;
      if (protocol !== "auto" || isPlain) throw error;
      // It may be HELLO that it closes at.
      const link = await shake(2).catch(() => Promise.reject(error));
      this.#plainUntil = clock.now() + PLAIN_MS;
      return link;
    }
  }

  /** Listening costs a connection of its own: once in a while is enough. */
  #mayOverhear(): boolean {
    const now = this.#options.clock.now();
    if (now - this.#overheardAt < OVERHEAR_EVERY_MS) return false;
    this.#overheardAt = now;
    return true;
  }

  /** What the server says to a client that does not speak; it may be why it closes. */
  async #overhear(endpoint: Endpoint, signal: AbortSignal): Promise<Error | undefined> {
    const { tls, openChannel } = this.#options;
    const stop = new AbortController();
    const timer = this.#options.clock.setTimer(() => stop.abort(), OVERHEAR_MS);
    const within = AbortSignal.any([signal, stop.signal]);
    try {
      const channel = await openChannel(endpoint, {
        signal: within,
        ...(tls === undefined ? {} : { tls: await tls() }),
      });
      return await overhear(channel, within);
    } catch {
      return undefined;
    } finally {
      timer.cancel();
    }
  }

  async #awaitServing({ link, endpoint }: Reached, signal: AbortSignal): Promise<void> {
    const { clock, connectTimeoutMs, database } = this.#options;
    const { redis } = link;
    await waitUntilReady({
      database,
      timeoutMs: this.#options.loadingTimeoutMs,
      ping: () => redis.ping(),
      info: () => redis.info("persistence"),
      progress: this.#options.loading,
      clock,
      signal: AbortSignal.any([signal, link.ended]),
    });
    // It may have lost its role while it was waited for.
    const completing = link.complete().then(() => this.#confirm(link, endpoint));
    await deadline(completing, connectTimeoutMs, { signal });
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/** The attempts' reasons, each once, in order. */
function listReasons(causes: readonly Error[]): string {
  return [...new Set(causes.map((cause) => cause.message))].join("; then ");
}
