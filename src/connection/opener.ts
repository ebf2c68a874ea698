import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { retry, RetryError } from "@std/async/retry";
import { type Address, formatAddress } from "../core/address.ts";
import type { Timer } from "../core/clock.ts";
import { AuthError, ConnectError, RedisManagerError } from "../core/errors/mod.ts";
import { FAILURE_KINDS, type FailureKind } from "../resilience/failure_kinds.ts";
import { type Confirm, WrongServer } from "./confirm.ts";
import {
  explainConnectFailure,
  failureKind,
  isAuthFailure,
  isHopeless,
  isPermanent,
} from "./connect_failure.ts";
import { ConnectThrottle } from "./connect_throttle.ts";
import { type AttemptUnderWay, ConnectTrouble } from "./connect_trouble.ts";
import type { Connection } from "./connection.ts";
import {
  CutAtHello,
  CutUnheard,
  type HandshakeOptions,
  type Link,
  shakeHands,
} from "./handshake.ts";
import { keepBeating } from "./heartbeat.ts";
import { overhear } from "./overhear.ts";
import { type LoadingProgress, waitUntilReady, whyNotServing } from "./readiness.ts";
import { askWithoutTls, askWithTls, isNoTls } from "./wrong_speech.ts";

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
  readonly resolve: (signal: AbortSignal) => Promise<Address | readonly Address[]>;
  /** Judges whether the server is the one that was meant; if not, it is resolved again. */
  readonly confirm?: Confirm;
  /**
   * Called for each attempt that failed.
   *
   * @param error Why.
   * @param endpoint Where it went.
   * @param kind What it is to the circuit breaker.
   */
  readonly attemptFailed: (error: Error, endpoint: string, kind: FailureKind) => void;
  /** Called for each attempt that succeeded, before anybody has the connection. */
  readonly reached: () => void;
  /** Told of each attempt that follows a failed one. */
  readonly attemptRepeated: () => void;
  /** Told at each look at a server that is loading. */
  readonly loading: (progress: LoadingProgress, waitedMs: number) => void;
}

/** How long a server that cut an attempt short is listened to, in milliseconds. */
const OVERHEAR_MS = 250;
/** How long it may take to find out what is spoken at a port, in milliseconds. */
const LOOK_MS = 1000;
/** Least time between two such looks, in milliseconds: attempts meanwhile share one. */
const LOOK_EVERY_MS = 1000;
/** A server that is silent to TLS for so long is looked at, in milliseconds. */
const LOOK_AT_SILENCE_MS = 500;
/** Failures in a row from which on a server that was reached before may speak TLS by now. */
const MAY_HAVE_CHANGED = 5;
/** A server that closed at HELLO, and not without it, is spared it for so many milliseconds:
 * it may have closed for another reason. */
const PLAIN_MS = 60_000;
/** Pause before it is asked again where to connect, after a wrong server, in milliseconds. */
const WRONG_SERVER_PAUSE_MS = 100;

/** Where to connect has changed, or the server was reached: what waits begins anew. */
class BeginAnew extends Error {}

/** What became known during an attempt. */
interface Tried {
  /** The server was there, and not the one that was meant. */
  wrong?: WrongServer;
}

/** A closer look at what is at the other end, shared by the attempts of its time. */
interface Look {
  readonly at: number;
  /** Why attempts fail, if the server says so. */
  readonly said: Promise<Error | undefined>;
  /** An error if it speaks TLS where none was spoken; asked only where all else fails. */
  speaksTls: Promise<Error | undefined> | undefined;
  /** Whether an attempt has been repeated without HELLO. */
  isRepeated: boolean;
}

/** A server that was connected to. */
interface Reached {
  readonly link: Link;
  readonly endpoint: Address;
  /** Why it does not serve, as it said; `undefined` if it does. */
  readonly refusal: string | undefined;
}

/**
 * Opens connections to one database. Each opening is tried again as `connect_retry` says.
 * Beside that one {@linkcode probe} at a time looks for a server that was not reached; what
 * it finds ends all waits between attempts.
 */
export class Opener {
  /** Why no connection can be opened at the moment. */
  readonly trouble: ConnectTrouble;
  readonly #options: OpenerOptions;
  readonly #throttle: ConnectThrottle;
  #endpoint: string;
  /** Ends attempts, and waits for the next, when where to connect has changed. */
  #round = new AbortController();
  /** Ends only the waits: the server was reached. */
  #pause = new AbortController();
  /** The connection that a probe opened, for the next lane. */
  #found: Connection | undefined;
  #looked: Look | undefined;
  /** Whether the server was ever reached, where it is now. */
  #wasReached = false;
  /** Until when HELLO is left out, as the server closed at it. */
  #plainUntil = -Infinity;

  /**
   * Makes an opener; opens nothing.
   *
   * @param options What it needs.
   */
  constructor(options: OpenerOptions) {
    const { clock, database, retry, where = "" } = options;
    this.#options = options;
    this.trouble = new ConnectTrouble(database, clock);
    this.#throttle = new ConnectThrottle({
      mostMs: retry.maxMs,
      isAnswer: (error) => FAILURE_KINDS[failureKind(error)].counts === "never",
      reached: () => {
        const last = this.#pause;
        this.#pause = new AbortController();
        last.abort(new BeginAnew("the server was reached"));
      },
      clock,
    });
    this.#endpoint = where;
  }

  /** Whether the last attempt failed, and not by an answer of the server. */
  get isUnreachable(): boolean {
    return this.#throttle.isUnreachable;
  }

  /** Milliseconds until a server that was not reached is tried again at the soonest; 0
   * while it is reached. */
  get nextAttemptInMs(): number {
    return this.#throttle.nextInMs;
  }

  /** Where to connect has changed: attempts under way, and waits for them, begin anew. */
  redirect(): void {
    const last = this.#round;
    this.#round = new AbortController();
    this.dropFound();
    this.#throttle.reset();
    this.#wasReached = false;
    last.abort(new BeginAnew("the server is another one now"));
  }

  /**
   * A working connection was lost.
   *
   * @param hadAnswered Whether anything was answered on it.
   */
  connectionLost(hadAnswered: boolean): void {
    this.#throttle.lost(hadAnswered);
  }

  /**
   * Makes one attempt to reach a server that was not reached, unless one is under way or
   * about to be. What it opens is for the next lane: open one soon, and then call
   * {@linkcode dropFound}.
   *
   * @param signal Ends it.
   * @returns Whether the server is reached now.
   */
  async probe(signal: AbortSignal): Promise<boolean> {
    if (this.#throttle.isTrying) return false;
    const round = this.#round.signal;
    const within = AbortSignal.any([signal, round]);
    try {
      await this.#attemptInTurn(async () => {
        this.#options.attemptRepeated();
        this.#found = await this.#attempt("lane", within);
      }, within);
      return true;
    } catch {
      // Who waits for a connection is told; so is attemptFailed().
      return false;
    }
  }

  /** Ends the connection that a probe opened, if no lane has taken it. */
  dropFound(): void {
    this.#takeFound()?.close({ kind: "closed", text: "nobody needs it" });
  }

  #takeFound(): Connection | undefined {
    const found = this.#found;
    this.#found = undefined;
    return found?.isOpen ? found : undefined;
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
      return await this.#retryRounds(purpose, causes, signal);
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

  /** Attempts as the policy says, from the beginning whenever the wait for the next one is
   * pointless. */
  async #retryRounds(
    purpose: "lane" | "lease",
    causes: Error[],
    signal: AbortSignal,
  ): Promise<Connection> {
    while (true) {
      const round = AbortSignal.any([signal, this.#round.signal]);
      const wait = AbortSignal.any([round, this.#pause.signal]);
      try {
        return await this.#retry(purpose, causes, round, wait);
      } catch (error) {
        if (signal.aborted || !wait.aborted) throw error;
        // The attempt that ended here went elsewhere, or was made before the server was
        // reached.
      }
    }
  }

  #retry(
    purpose: "lane" | "lease",
    causes: Error[],
    signal: AbortSignal,
    wait: AbortSignal,
  ): Promise<Connection> {
    const { attempts, minMs, maxMs, multiplier, jitter } = this.#options.retry;
    const before = this.trouble.lastFailure;
    const earlier = before === undefined ? [] : [before];
    const attempt = async () => {
      const found = purpose === "lane" ? this.#takeFound() : undefined;
      if (found !== undefined) return found;
      if (causes.length > 0) this.#options.attemptRepeated();
      try {
        return await this.#attempt(purpose, signal);
      } catch (error) {
        if (!signal.aborted) causes.push(error as Error);
        throw error;
      }
    };
    return retry(() => this.#attemptInTurn(attempt, signal), {
      maxAttempts: attempts,
      minTimeout: minMs,
      maxTimeout: maxMs,
      multiplier,
      jitter,
      isRetriable: (error) => !isPermanent(error) && !isHopeless([...earlier, ...causes]),
      signal: wait,
    });
  }

  /** Makes an attempt when it is its turn, and reports how it went. */
  async #attemptInTurn<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      const made = await this.#throttle.pass(attempt, signal);
      this.trouble.succeeded();
      this.#wasReached = true;
      this.#options.reached();
      return made;
    } catch (error) {
      signal.throwIfAborted();
      const kind = failureKind(error);
      this.trouble.failed(error as Error, this.#endpoint);
      this.#options.attemptFailed(error as Error, this.#endpoint, kind);
      throw error;
    }
  }

  /** One attempt: a socket and a handshake under the deadline, then the loading wait. */
  async #attempt(purpose: "lane" | "lease", signal: AbortSignal): Promise<Connection> {
    const { connectTimeoutMs, database, clock } = this.#options;
    const { silenceLimitMs: timeoutMs, heartbeatMs: intervalMs } = this.#options;
    const stop = new AbortController();
    const tried: Tried = {};
    const underWay = this.trouble.begins(this.#endpoint);
    try {
      const within = AbortSignal.any([signal, stop.signal]);
      const name = this.#options.clientName ?? `mooring:${database}:${purpose}`;
      const opening = this.#reach(name, within, tried);
      const reached = await deadline(opening, connectTimeoutMs, { signal });
      const { link } = reached;
      if (reached.refusal !== undefined) {
        await this.#awaitServing(reached, signal, underWay);
      }
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
      throw new AuthError(database, this.#endpoint, explained.message, explained);
    } finally {
      this.trouble.ends(underWay);
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
    endpoint: Address,
    name: string,
    signal: AbortSignal,
  ): Promise<Reached> {
    const link = await this.#handshake(endpoint, name, signal);
    await this.#confirm(link, endpoint);
    const refusal = await whyNotServing(() => link.redis.ping());
    if (refusal === undefined) await link.complete();
    return { link, endpoint, refusal };
  }

  async #confirm({ redis }: Link, endpoint: Address): Promise<void> {
    await this.#options.confirm?.(endpoint, (command) => redis.call(command));
  }

  async #handshake(endpoint: Address, name: string, signal: AbortSignal): Promise<Link> {
    this.#endpoint = formatAddress(endpoint);
    const { clock, protocol = "auto" } = this.#options;
    const isPlain = clock.now() < this.#plainUntil;
    const hello = isPlain ? 2 : protocol;
    const stop = new AbortController();
    const within = AbortSignal.any([signal, stop.signal]);
    const patience = this.#watchSilence(endpoint, stop);
    try {
      return await shakeHands(this.#options, endpoint, name, within, hello);
    } catch (error) {
      within.throwIfAborted();
      const isAtHello = error instanceof CutAtHello;
      const isCut = isAtHello || error instanceof CutUnheard;
      if (!isCut && !isNoTls(error)) throw error;
      const look = this.#look(endpoint);
      const said = isAtHello ? undefined : await look.said;
      if (said !== undefined) throw said;
      if (isCut && hello === "auto" && !look.isRepeated) {
        look.isRepeated = true;
        const link = await this.#repeatWithoutHello(endpoint, name, within);
        if (link !== undefined) return link;
      }
      if (isAtHello || !this.#mayNeedTls()) throw error;
      throw await this.#speaksTls(look, endpoint) ?? error;
    } finally {
      patience?.cancel();
    }
  }

  /** It may be HELLO that a server closes at. */
  async #repeatWithoutHello(
    endpoint: Address,
    name: string,
    signal: AbortSignal,
  ): Promise<Link | undefined> {
    try {
      const link = await shakeHands(this.#options, endpoint, name, signal, 2);
      this.#plainUntil = this.#options.clock.now() + PLAIN_MS;
      return link;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  /** A server that does not answer to TLS may wait for the end of what it takes for a
   * command: the attempt is over if it answers without. */
  #watchSilence(endpoint: Address, attempt: AbortController): Timer | undefined {
    const { clock, tls } = this.#options;
    if (tls === undefined) return undefined;
    return clock.setTimer(async () => {
      const said = await this.#look(endpoint).said;
      if (said !== undefined) attempt.abort(said);
    }, LOOK_AT_SILENCE_MS);
  }

  /** Why attempts end without a word. It costs connections of its own: once in a while is
   * enough, whatever the attempts. */
  #look(endpoint: Address): Look {
    const at = this.#options.clock.now();
    const last = this.#looked;
    if (last !== undefined && at - last.at < LOOK_EVERY_MS) return last;
    const said = this.#withinLook((signal) => this.#listen(endpoint, signal));
    return this.#looked = { at, said, speaksTls: undefined, isRepeated: false };
  }

  async #listen(endpoint: Address, signal: AbortSignal): Promise<Error | undefined> {
    const { openChannel, tls } = this.#options;
    const other = tls && await askWithoutTls(endpoint, openChannel, signal);
    return other ?? await this.#overhear(endpoint, signal);
  }

  /** Whether to ask if TLS is spoken. A server without it may stay silent to the question for
   * {@linkcode LOOK_MS}, in which one that was restarted is not found. */
  #mayNeedTls(): boolean {
    return !this.#wasReached || this.trouble.failures >= MAY_HAVE_CHANGED;
  }

  /** Whether a server that cut an attempt short speaks TLS. */
  async #speaksTls(look: Look, endpoint: Address): Promise<Error | undefined> {
    const { openChannel, tls } = this.#options;
    if (tls !== undefined) return undefined;
    return await (look.speaksTls ??= this.#withinLook((signal) =>
      askWithTls(endpoint, openChannel, signal)
    ));
  }

  async #withinLook<T>(look: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const timer = this.#options.clock.setTimer(() => stop.abort(), LOOK_MS);
    try {
      return await look(stop.signal);
    } finally {
      timer.cancel();
    }
  }

  /** What the server says to a client that does not speak; it may be why it closes. */
  async #overhear(endpoint: Address, signal: AbortSignal): Promise<Error | undefined> {
    const { clock, openChannel, tls } = this.#options;
    const stop = new AbortController();
    const timer = clock.setTimer(() => stop.abort(), OVERHEAR_MS);
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

  async #awaitServing(
    { link, endpoint, refusal: said }: Reached,
    signal: AbortSignal,
    underWay: AttemptUnderWay,
  ): Promise<void> {
    const { clock, connectTimeoutMs, database } = this.#options;
    underWay.waitsFor = "the server is there and does not serve yet";
    const { redis } = link;
    await waitUntilReady({
      database,
      timeoutMs: this.#options.loadingTimeoutMs,
      said,
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
