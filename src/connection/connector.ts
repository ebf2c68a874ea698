import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { retry, RetryError } from "@std/async/retry";
import type { RedisConfig } from "../config/mod.ts";
import { type Address, formatAddress } from "../core/address.ts";
import { AuthError, ConnectError, RedisManagerError } from "../core/errors/mod.ts";
import { FAILURE_KINDS, type FailureKind } from "../resilience/failure_kinds.ts";
import {
  type AttemptUnderWay,
  ClosedAtHello,
  ClosedBeforeReply,
  type Confirm,
  ConnectFailures,
  explainConnectFailure,
  failureKind,
  isAuthFailure,
  isHopeless,
  isPermanent,
  isTimeout,
  WrongServer,
} from "./connect_failure.ts";
import { ConnectThrottle } from "./connect_throttle.ts";
import type { Connection } from "./connection.ts";
import { type HandshakeOptions, type Link, performHandshake } from "./handshake.ts";
import { startHeartbeat } from "./liveness.ts";
import { isTlsMismatch, ServerInspector } from "./protocol_detection.ts";
import { type LoadingProgress, waitUntilReady, whyNotServing } from "./readiness.ts";

/** What a connection is for: a shared lane, or a lease. Part of its name in CLIENT LIST. */
type Purpose = "lane" | "lease";

/** What the connections of a database are opened with. */
export interface ConnectorOptions extends HandshakeOptions {
  /** Deadline of one attempt, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest wait for a server that loads its data, in milliseconds. */
  readonly loadingTimeoutMs: number;
  /** Name in CLIENT LIST. Default: the database and the purpose. */
  readonly clientName?: string;
  /** Silence on a lane after which a PING is sent, in milliseconds; 0 = never. */
  readonly heartbeatMs: number;
  /** How the opening of connections is retried. */
  readonly retry: RedisConfig["connectRetry"];
  /** What is connected to, for messages as long as no address is known. */
  readonly where?: string;
  /** Resolves the server's address; called for each attempt. Several addresses are tried in
   * turn, within the deadline of the attempt. */
  readonly resolve: (signal: AbortSignal) => Promise<Address | readonly Address[]>;
  /** Checks whether the server is the intended one; if not, it is resolved again. */
  readonly confirm?: Confirm;
  /** Observes each failed attempt; `kind` is for the circuit breaker. */
  readonly attemptFailed: (error: Error, endpoint: string, kind: FailureKind) => void;
  /** Observes each attempt that succeeded, before anybody has the connection. */
  readonly reached: () => void;
  /** Observes each attempt that follows a failed one. */
  readonly attemptRepeated: () => void;
  /** Observes a server that is loading. */
  readonly loading: (progress: LoadingProgress, waitedMs: number) => void;
}

/** A server that does not answer a TLS handshake for so long is inspected, in ms. */
const INSPECT_SILENCE_MS = 500;
/** A server that was reached before, and has failed for so long, may speak TLS by now, in
 * milliseconds. */
const MAY_HAVE_CHANGED_MS = 60_000;
/** HELLO is left out for so long where the server closed at it, in milliseconds: it may have
 * closed for another reason. */
const WITHOUT_HELLO_MS = 60_000;
/** Pause before the address is resolved again, after a wrong server, in milliseconds. */
const WRONG_SERVER_PAUSE_MS = 100;

/** A server that was connected to, and why it is not ready, such as `LOADING`. */
interface Reached {
  readonly link: Link;
  readonly refusal: string | undefined;
}

/**
 * Opens the connections of one database. Each opening is retried as `connect_retry` says.
 * Besides, one {@linkcode probe} at a time tries a server that was not reached; its success
 * ends all waits between attempts.
 */
export class Connector {
  /** Why no connection can be opened at the moment. */
  readonly failures: ConnectFailures;
  readonly #options: ConnectorOptions;
  readonly #throttle: ConnectThrottle;
  readonly #inspector: ServerInspector;
  #endpoint: string;
  /** Ends attempts, and the waits for them, when the address has changed. */
  #round = new AbortController();
  /** The connection that a probe opened, for the next lane. */
  #probed: Connection | undefined;
  /** Whether the server was ever reached at its present address. */
  #wasReached = false;
  /** Until when HELLO is left out. */
  #withoutHelloUntil = -Infinity;

  constructor(options: ConnectorOptions) {
    const { clock, database, retry, where = "" } = options;
    this.#options = options;
    this.failures = new ConnectFailures(database, clock);
    this.#inspector = new ServerInspector(options);
    this.#throttle = new ConnectThrottle({
      maxMs: retry.maxMs,
      isAnswer: (error) => FAILURE_KINDS[failureKind(error)].counts === "never",
      clock,
    });
    this.#endpoint = where;
  }

  /** Whether the last attempt failed, and not by an answer of the server. */
  get isUnreachable(): boolean {
    return this.#throttle.isUnreachable;
  }

  /** Milliseconds until the next attempt to reach a server that was not reached; 0 while it
   * is reached. */
  get nextAttemptInMs(): number {
    return this.#throttle.nextInMs;
  }

  /** The address has changed: attempts under way, and waits for them, start again. */
  redirect(): void {
    const last = this.#round;
    this.#round = new AbortController();
    this.dropProbed();
    this.#throttle.reset();
    this.#wasReached = false;
    last.abort(new Error("the server is another one now"));
  }

  /** A working connection was lost; `hadAnswered` tells whether anything was answered on
   * it. */
  connectionLost(hadAnswered: boolean): void {
    this.#throttle.lost(hadAnswered);
  }

  /**
   * Makes one attempt to reach a server that was not reached, unless one is under way or
   * about to be. Its connection is for the next lane: open one soon, and then call
   * {@linkcode dropProbed}.
   *
   * @returns Whether the server is reached now.
   */
  async probe(signal: AbortSignal): Promise<boolean> {
    if (this.#throttle.isTrying) return false;
    const within = AbortSignal.any([signal, this.#round.signal]);
    try {
      await this.#attemptInTurn(async () => {
        this.#options.attemptRepeated();
        this.#probed = await this.#attempt("lane", within);
      }, within);
      return true;
    } catch {
      // The failure was reported by attemptFailed().
      return false;
    }
  }

  /** Ends what inspects the server; call it when nothing is opened any more. Resolves when
   * nothing is left. */
  async close(): Promise<void> {
    this.dropProbed();
    await this.#inspector.close();
  }

  /** Closes the connection that a probe opened, if no lane has taken it. */
  dropProbed(): void {
    this.#takeProbed()?.close({ kind: "closed", text: "nobody needs it" });
  }

  #takeProbed(): Connection | undefined {
    const probed = this.#probed;
    this.#probed = undefined;
    return probed?.isOpen ? probed : undefined;
  }

  /**
   * Opens a connection: connected, authenticated, and the server is ready.
   *
   * @throws {ConnectError} If every attempt failed.
   * @throws {AuthError} If the server refused the credentials; not retried.
   * @throws {NotReadyError} If the server was loading for longer than allowed.
   */
  async open(purpose: Purpose, signal: AbortSignal): Promise<Connection> {
    const { clock, database } = this.#options;
    const startedAt = clock.now();
    const causes: Error[] = [];
    while (true) {
      const round = AbortSignal.any([signal, this.#round.signal]);
      const wait = AbortSignal.any([round, this.#throttle.reached]);
      try {
        return await this.#retry(purpose, causes, round, wait);
      } catch (error) {
        signal.throwIfAborted();
        // The attempt went to another address, or was made before the server was reached.
        if (wait.aborted) continue;
        const last = error instanceof RetryError ? error.cause : error;
        if (last instanceof RedisManagerError) throw last;
        // Each reason once, in order.
        const reasons = [...new Set(causes.map(({ message }) => message))].join(
          "; then ",
        );
        throw new ConnectError(database, this.#endpoint, reasons, {
          attempts: causes.length,
          elapsedMs: clock.now() - startedAt,
          retryable: !isPermanent(last),
          cause: last,
        });
      }
    }
  }

  #retry(
    purpose: Purpose,
    causes: Error[],
    signal: AbortSignal,
    wait: AbortSignal,
  ): Promise<Connection> {
    const { attempts, minMs, maxMs, multiplier, jitter } = this.#options.retry;
    const before = this.failures.lastFailure;
    const earlier = before === undefined ? [] : [before];
    const attempt = async () => {
      const probed = purpose === "lane" ? this.#takeProbed() : undefined;
      if (probed !== undefined) return probed;
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

  /** Makes an attempt when the throttle allows it, and reports its outcome. */
  async #attemptInTurn<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      const made = await this.#throttle.pass(attempt, signal);
      this.failures.succeeded();
      this.#wasReached = true;
      this.#options.reached();
      return made;
    } catch (error) {
      signal.throwIfAborted();
      this.failures.failed(error as Error, this.#endpoint);
      this.#options.attemptFailed(error as Error, this.#endpoint, failureKind(error));
      throw error;
    }
  }

  /** One attempt: socket and handshake within the deadline, then the wait for loading. */
  async #attempt(purpose: Purpose, signal: AbortSignal): Promise<Connection> {
    const { connectTimeoutMs, database, clock } = this.#options;
    const { silenceLimitMs: timeoutMs, heartbeatMs: intervalMs } = this.#options;
    const stop = new AbortController();
    let wrong: WrongServer | undefined;
    const underWay = this.failures.attemptBegins(this.#endpoint);
    try {
      const within = AbortSignal.any([signal, stop.signal]);
      const name = this.#options.clientName ?? `mooring:${database}:${purpose}`;
      const reaching = this.#reach(name, within, (error) => wrong = error);
      const reached = await deadline(reaching, connectTimeoutMs, { signal });
      if (reached.refusal !== undefined) {
        await this.#awaitReady(reached, signal, underWay);
      }
      const connection = reached.link.connect();
      if (purpose === "lane" && intervalMs > 0) {
        startHeartbeat(connection, { intervalMs, timeoutMs }, clock);
      }
      return connection;
    } catch (error) {
      stop.abort(error);
      if (error instanceof RedisManagerError) throw error;
      // The time was spent on servers that were reached and not intended.
      if (wrong !== undefined && isTimeout(error)) throw wrong;
      const explained = explainConnectFailure(error, connectTimeoutMs, this.#endpoint);
      if (!isAuthFailure(error)) throw explained;
      throw new AuthError(database, this.#endpoint, explained.message, explained);
    } finally {
      this.failures.attemptEnds(underWay);
    }
  }

  /** Resolves the address again for as long as the server is not the intended one. */
  async #reach(
    name: string,
    signal: AbortSignal,
    onWrong: (error: WrongServer) => void,
  ): Promise<Reached> {
    while (true) {
      try {
        return await this.#tryEach(name, signal);
      } catch (error) {
        if (!(error instanceof WrongServer)) throw error;
        onWrong(error);
        await delay(WRONG_SERVER_PAUSE_MS, { signal });
      }
    }
  }

  /** Tries the addresses in turn; each has its share of the attempt's time. */
  async #tryEach(name: string, signal: AbortSignal): Promise<Reached> {
    const { connectTimeoutMs, resolve, where } = this.#options;
    this.#endpoint = where ?? this.#endpoint;
    const endpoints = [await resolve(signal)].flat();
    const isOnly = endpoints.length === 1;
    const shareMs = Math.ceil(connectTimeoutMs / endpoints.length);
    const failures: string[] = [];
    for (const endpoint of endpoints) {
      const stop = new AbortController();
      const within = AbortSignal.any([signal, stop.signal]);
      try {
        const reaching = this.#reachOne(endpoint, name, within);
        return await (isOnly ? reaching : deadline(reaching, shareMs, { signal }));
      } catch (error) {
        // Closes the socket, also that of a server that is reached and not intended.
        stop.abort(error);
        signal.throwIfAborted();
        if (isOnly || isAuthFailure(error)) throw error;
        const { message } = explainConnectFailure(error, shareMs, this.#endpoint);
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
    const link = await this.#connect(endpoint, name, signal);
    await this.#confirm(link);
    const refusal = await whyNotServing(link.ping);
    if (refusal === undefined) await link.complete();
    return { link, refusal };
  }

  async #confirm({ endpoint, redis }: Link): Promise<void> {
    await this.#options.confirm?.(endpoint, (command) => redis.call(command));
  }

  /** Connects; where the server closes without a reply, finds out why. */
  async #connect(endpoint: Address, name: string, signal: AbortSignal): Promise<Link> {
    this.#endpoint = formatAddress(endpoint);
    const { clock, protocol = "auto", tls } = this.#options;
    const version = clock.now() < this.#withoutHelloUntil ? 2 : protocol;
    // A server without TLS may wait for the end of what it takes for a command: the attempt
    // is over if it answers without TLS.
    const stop = new AbortController();
    const within = tls === undefined ? signal : AbortSignal.any([signal, stop.signal]);
    const onSilence = async () => {
      const reason = await this.#inspector.inspect(endpoint).reason;
      if (reason !== undefined) stop.abort(reason);
    };
    const silence = tls && clock.setTimer(onSilence, INSPECT_SILENCE_MS);
    try {
      return await performHandshake(this.#options, endpoint, name, within, version);
    } catch (error) {
      within.throwIfAborted();
      const isAtHello = error instanceof ClosedAtHello;
      const isClosed = isAtHello || error instanceof ClosedBeforeReply;
      if (!isClosed && !isTlsMismatch(error)) throw error;
      const inspection = this.#inspector.inspect(endpoint);
      const reason = isAtHello ? undefined : await inspection.reason;
      if (reason !== undefined) throw reason;
      if (isClosed && version === "auto" && !inspection.isRepeated) {
        inspection.isRepeated = true;
        const link = await this.#connectWithoutHello(endpoint, name, within);
        if (link !== undefined) return link;
      }
      // A server without TLS may not answer a TLS handshake for a second, in which one that
      // was restarted is not reached.
      const mayNeedTls = !this.#wasReached ||
        this.failures.durationMs >= MAY_HAVE_CHANGED_MS;
      if (isAtHello || !mayNeedTls) throw error;
      throw await this.#inspector.probeTls(inspection, endpoint) ?? error;
    } finally {
      silence?.cancel();
    }
  }

  /** Repeats an attempt without HELLO, which may be why the server closed. */
  async #connectWithoutHello(
    endpoint: Address,
    name: string,
    signal: AbortSignal,
  ): Promise<Link | undefined> {
    try {
      const link = await performHandshake(this.#options, endpoint, name, signal, 2);
      this.#withoutHelloUntil = this.#options.clock.now() + WITHOUT_HELLO_MS;
      return link;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #awaitReady(
    { link, refusal }: Reached,
    signal: AbortSignal,
    underWay: AttemptUnderWay,
  ): Promise<void> {
    const { clock, connectTimeoutMs, database } = this.#options;
    underWay.waitsFor = "the server is there and does not serve yet";
    const { redis } = link;
    await waitUntilReady({
      database,
      timeoutMs: this.#options.loadingTimeoutMs,
      refusal,
      ping: () => redis.ping(),
      info: () => redis.info("persistence"),
      progress: this.#options.loading,
      clock,
      signal: AbortSignal.any([signal, link.ended]),
    });
    // It may have lost its role meanwhile.
    const completing = link.complete().then(() => this.#confirm(link));
    await deadline(completing, connectTimeoutMs, { signal });
  }
}
