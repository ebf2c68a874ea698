import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { retry, RetryError } from "@std/async/retry";
import type { Clock } from "../core/clock.ts";
import { AuthError, ConnectError, RedisManagerError } from "../core/errors/mod.ts";
import type { Secret } from "../core/secret.ts";
import {
  describeEndpoint,
  type Endpoint,
  type KeepaliveTimes,
  type OpenChannel,
} from "../transport/channel.ts";
import type { FailureKind } from "../resilience/failure_kinds.ts";
import { ConnectionStream } from "../transport/stream.ts";
import type { TlsMaterial } from "../transport/tls.ts";
import {
  explainConnectFailure,
  failureKind,
  isAuthFailure,
  isPermanent,
} from "./connect_failure.ts";
import { Connection, type ConnectionObserver } from "./connection.ts";
import { connectDriver, type Redis } from "./driver.ts";
import { type LoadingProgress, waitUntilReady } from "./readiness.ts";

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
export interface OpenerOptions {
  /** Name of the database. */
  readonly database: string;
  /** Database number. */
  readonly db: number;
  /** ACL user. */
  readonly username?: string;
  /** Password. */
  readonly password?: Secret;
  /** What is put before each key by the library's own clients. */
  readonly keyPrefix: string;
  /** Deadline of one attempt, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest wait for a server that loads its data, in milliseconds. */
  readonly loadingTimeoutMs: number;
  /** Silence after which a connection that owes replies is dead, in milliseconds. */
  readonly silenceLimitMs: number;
  /** How it is tried again. */
  readonly retry: ConnectRetryPolicy;
  /** TCP keepalive. */
  readonly keepalive?: KeepaliveTimes;
  /** Reads what TLS needs; called for each attempt, so that renewed files count. */
  readonly tls?: () => Promise<TlsMaterial>;
  /** Finds the server; asked for each attempt. */
  readonly resolve: (signal: AbortSignal) => Promise<Endpoint>;
  /** Opens a socket. */
  readonly openChannel: OpenChannel;
  /** Time. */
  readonly clock: Clock;
  /** Who counts what the connections do. */
  readonly observer: ConnectionObserver;
  /** Told of each attempt that failed. */
  readonly attemptFailed: (error: Error, endpoint: string, kind: FailureKind) => void;
  /** Told at each look at a server that is loading. */
  readonly loading: (progress: LoadingProgress, waitedMs: number) => void;
}

/** Wait before the first new attempt after a working connection was lost. */
const FAST_RETRY_MS = 50;

let lastId = 0;

/** Opens connections to one database, trying again as its policy says. */
export class Opener {
  readonly #options: OpenerOptions;
  #endpoint = "";
  #lost = false;

  /**
   * Makes an opener; opens nothing.
   *
   * @param options What it needs.
   */
  constructor(options: OpenerOptions) {
    this.#options = options;
  }

  /** A working connection was lost: the next opening starts fast. */
  connectionLost(): void {
    this.#lost = true;
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
  async open(purpose: string, signal: AbortSignal): Promise<Connection> {
    const { clock, database, retry: policy } = this.#options;
    const startedAt = clock.now();
    const causes: Error[] = [];
    const attempt = async () => {
      try {
        return await this.#attempt(purpose, signal);
      } catch (error) {
        signal.throwIfAborted();
        causes.push(error as Error);
        this.#options.attemptFailed(error as Error, this.#endpoint, failureKind(error));
        throw error;
      }
    };
    try {
      const connection = await this.#retry(attempt, policy, signal);
      this.#lost = false;
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

  async #retry(
    attempt: () => Promise<Connection>,
    policy: ConnectRetryPolicy,
    signal: AbortSignal,
  ): Promise<Connection> {
    if (this.#lost) {
      try {
        return await attempt();
      } catch (error) {
        if (isPermanent(error)) throw error;
        this.#lost = false;
        await delay(FAST_RETRY_MS * Math.random(), { signal });
      }
    }
    return await retry(attempt, {
      maxAttempts: policy.attempts,
      minTimeout: policy.minMs,
      maxTimeout: policy.maxMs,
      multiplier: policy.multiplier,
      jitter: policy.jitter,
      isRetriable: (error) => !isPermanent(error),
      signal,
    });
  }

  /** One attempt: a socket and a handshake under the deadline, then the loading wait. */
  async #attempt(purpose: string, signal: AbortSignal): Promise<Connection> {
    const { connectTimeoutMs, database } = this.#options;
    const stop = new AbortController();
    try {
      const opening = this.#handshake(purpose, AbortSignal.any([signal, stop.signal]));
      const link = await deadline(opening, connectTimeoutMs, { signal });
      await this.#awaitServing(link.redis, AbortSignal.any([signal, link.ended]));
      return link.connect();
    } catch (error) {
      stop.abort(error);
      const endpoint = this.#endpoint;
      if (error instanceof RedisManagerError) throw error;
      const explained = explainConnectFailure(error, connectTimeoutMs);
      if (!isAuthFailure(error)) throw explained;
      throw new AuthError(database, endpoint, explained.message);
    }
  }

  /** Opens a socket and takes the client library through its handshake. */
  async #handshake(purpose: string, signal: AbortSignal) {
    const { database, db, keyPrefix, username, clock, observer } = this.#options;
    const password = await this.#options.password?.reveal();
    const endpoint = await this.#options.resolve(signal);
    this.#endpoint = describeEndpoint(endpoint);
    const { keepalive, tls } = this.#options;
    const channel = await this.#options.openChannel(endpoint, {
      signal,
      ...(keepalive === undefined ? {} : { keepalive }),
      ...(tls === undefined ? {} : { tls: await tls() }),
    });
    let connection: Connection | undefined;
    const ended = new AbortController();
    const stream = new ConnectionStream(channel, {
      received: () => connection?.received(),
      closing: (error) => {
        connection?.ended(error);
        ended.abort(error ?? new Error("the connection was closed by the server"));
      },
    });
    signal.addEventListener("abort", () => connection ?? stream.destroy(), {
      once: true,
    });
    signal.throwIfAborted();
    const redis = await connectDriver({
      stream,
      connectionName: `mooring:${database}:${purpose}`,
      db,
      keyPrefix,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
    const connect = () => {
      ended.signal.throwIfAborted();
      connection = new Connection({
        id: ++lastId,
        database,
        endpoint: this.#endpoint,
        redis,
        stream,
        silenceLimitMs: this.#options.silenceLimitMs,
        clock,
        observer,
      });
      return connection;
    };
    return { redis, ended: ended.signal, connect };
  }

  async #awaitServing(redis: Redis, signal: AbortSignal): Promise<void> {
    await waitUntilReady({
      database: this.#options.database,
      timeoutMs: this.#options.loadingTimeoutMs,
      ping: () => redis.ping(),
      info: () => redis.info("persistence"),
      progress: this.#options.loading,
      clock: this.#options.clock,
      signal,
    });
  }
}

/** The attempts' reasons, each once, in order. */
function listReasons(causes: readonly Error[]): string {
  return [...new Set(causes.map((cause) => cause.message))].join("; then ");
}
