/**
 * A TCP proxy between a client and a server, which makes the connection fail.
 *
 * @module
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import { checkIntegers, PORTS } from "./checks.ts";
import { freePort, isPortFree } from "./ports.ts";
import {
  type ProxyConnection,
  type ProxyFaults,
  ProxyLink,
  type ProxyObserver,
  resetSocket,
} from "./proxy_connection.ts";
import type { ProxyEnd } from "./proxy_pipe.ts";
import type { ProxyScript } from "./proxy_script.ts";
import { waitFor } from "./wait.ts";

/** Where a proxy leads to: a server of {@linkcode startRedis} is such a target. */
export type ProxyTarget = { host: string; port: number } | { path: string };

/**
 * What a proxy does with a new connection. `pass`: connects it to the server. `reset`:
 * accepts it and sends RST. `hold`: accepts it and sends nothing, ever.
 */
export type ProxyWelcome = "pass" | "reset" | "hold";

/** Options of {@linkcode FaultProxy.start}. */
export interface FaultProxyOptions {
  /** The server. */
  to: ProxyTarget;
  /** Port to listen on, 1 to 65535. Default: a free one. */
  port?: number;
  /** Faults of every connection from its first byte on. Default: all bytes pass. */
  faults?: ProxyFaults;
  /** Further faults of one connection, by its number from 1 on. Default: none. */
  faultsOf?: (number: number) => ProxyFaults;
  /** What happens to new connections. Default: `pass`. */
  welcome?: ProxyWelcome;
  /** Idle time, in milliseconds, after which a connection is forgotten, as some firewalls
   * do: both ends stay open, and nothing passes. Default: 0, never. */
  forgetAfterIdleMs?: number;
  /** Answers commands instead of the server. Default: the server answers all. */
  script?: ProxyScript;
  /** Observes what passes, and what happens. Default: none. */
  observer?: ProxyObserver;
}

/** Options of {@linkcode FaultProxy.cut}. */
export interface CutOptions {
  /** Bytes of each connection that still pass to the client, 0 or more. Default: 0. */
  afterBytes?: number;
  /** With RST (`reset`) or FIN (`end`). Default: `reset`. */
  how?: ProxyEnd;
}

/**
 * A TCP proxy on 127.0.0.1 between a client and a server, which makes connections slow, cuts
 * them, loses replies, or refuses them. {@linkcode set} has all faults, for each direction;
 * {@linkcode delay}, {@linkcode cut}, {@linkcode swallow} and {@linkcode reset} are the usual
 * ones, and {@linkcode heal} ends them.
 *
 * @example Usage
 * ```ts
 * import { ConnectionLostError, RedisConnectionManager } from "@mooring/redis";
 * import { FaultProxy, startRedis } from "@mooring/redis/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using server = await startRedis();
 * await using proxy = await FaultProxy.start({ to: server });
 * await using manager = new RedisConnectionManager({
 *   url: proxy.url,
 *   databases: { main: { db: 0 } },
 * });
 * const main = await manager.getAsyncClient("main");
 *
 * proxy.cut(); // the server runs the next command, and its reply is lost
 * const error = await assertRejects(() => main.incr("n"), ConnectionLostError);
 * assertEquals(error.delivery, "ambiguous"); // it may have run
 * assertEquals(await main.get("n"), "1"); // it did
 * ```
 */
export class FaultProxy implements AsyncDisposable {
  /** Address that it listens on. */
  readonly host = "127.0.0.1";
  /** Port that it listens on. */
  readonly port: number;
  /** Where new connections lead to; can be changed at any time. */
  to: ProxyTarget;
  /** What happens to new connections; can be changed at any time. */
  welcome: ProxyWelcome;
  readonly #options: FaultProxyOptions;
  readonly #accepted: number[] = [];
  readonly #connections = new Set<ProxyLink>();
  readonly #held = new Set<Socket>();
  readonly #closedBytes = { toServer: 0, toClient: 0 };
  #lastNumber = 0;
  #faults: ProxyFaults;
  #listener: Server | undefined;

  private constructor(options: FaultProxyOptions, port: number) {
    this.#options = options;
    this.port = port;
    this.to = options.to;
    this.welcome = options.welcome ?? "pass";
    this.#faults = options.faults ?? {};
  }

  /**
   * Starts a proxy.
   *
   * @param options Where it leads to, and its first faults.
   * @returns The proxy; `await using` ends it with all its connections.
   * @throws {RangeError} If a number of the options is out of its range.
   * @throws {Error} If the port that the options name is taken.
   */
  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const { port, forgetAfterIdleMs } = options;
    checkIntegers("start a proxy", { port }, PORTS);
    checkIntegers("start a proxy", { forgetAfterIdleMs });
    for (let races = 1;; races++) {
      const proxy = new FaultProxy(options, port ?? freePort());
      try {
        await proxy.listen();
        return proxy;
      } catch (error) {
        // Another program was quicker to take the free port.
        const lostRace = (error as { code?: unknown }).code === "EADDRINUSE";
        if (!lostRace || port !== undefined || races === 5) throw error;
      }
    }
  }

  /** `redis://` URL of the proxy. */
  get url(): string {
    return `redis://${this.host}:${this.port}`;
  }

  /** Connections with at least one open end, oldest first. */
  get connections(): readonly ProxyConnection[] {
    return [...this.#connections];
  }

  /** When each client was accepted, on the clock of `performance.now()`, oldest first. */
  get accepted(): readonly number[] {
    return this.#accepted;
  }

  /** Bytes delivered in each direction, of all connections, closed ones included. */
  get bytes(): { toServer: number; toClient: number } {
    const sum = { ...this.#closedBytes };
    for (const { toServer, toClient } of this.#connections) {
      sum.toServer += toServer.counts.delivered;
      sum.toClient += toClient.counts.delivered;
    }
    return sum;
  }

  /**
   * Changes the faults of all connections, present and future.
   *
   * @param faults Faults of both directions; one that is left out stays as it is.
   */
  set(faults: ProxyFaults): void {
    this.#options.observer?.event(`faults are set: ${JSON.stringify(faults)}`);
    this.#faults = { ...this.#faults, ...faults };
    for (const connection of this.#connections) connection.set(faults);
  }

  /**
   * Delivers replies late, in order.
   *
   * @param ms How late, in milliseconds.
   */
  delay(ms: number): void {
    this.set({ toClient: { kind: "delay", ms } });
  }

  /**
   * Ends each present connection when its next reply comes: the server runs a command, and
   * the client loses the connection instead of getting the reply. New connections pass.
   *
   * @param options How much of the reply passes, and how the connection is ended.
   */
  cut({ afterBytes = 0, how = "reset" }: CutOptions = {}): void {
    for (const connection of this.#connections) {
      connection.set({ toClient: { kind: "cut", afterBytes, how } });
    }
  }

  /** Drops all replies; connections stay open. The server runs commands, and the client
   * gets no reply. */
  swallow(): void {
    this.set({ toClient: { kind: "swallow" } });
  }

  /** Drops everything in both directions; connections stay open (half-open connections). */
  blackhole(): void {
    this.set({ toServer: { kind: "swallow" }, toClient: { kind: "swallow" } });
  }

  /** Ends every connection with RST, now. New ones are accepted. */
  reset(): void {
    for (const connection of [...this.#connections]) connection.reset();
    for (const socket of this.#held) resetSocket(socket);
  }

  /**
   * Ends all faults: new connections pass, and so do present ones that lost nothing. What was
   * stalled is delivered. A direction that lost bytes stays silent until one end closes it.
   */
  heal(): void {
    this.welcome = "pass";
    this.set({ toServer: { kind: "pass" }, toClient: { kind: "pass" } });
  }

  /** Refuses new connections (ECONNREFUSED) until {@linkcode listen}; present ones stay. */
  async refuse(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    await waitFor(() => isPortFree(this.port), { everyMs: 1, what: "the closed port" });
  }

  /** Accepts connections again after {@linkcode refuse}, on the same port. */
  async listen(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = createServer(
      { allowHalfOpen: true },
      (socket) => this.#welcome(socket),
    );
    this.#listener = listener;
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(this.port, this.host, resolve);
    });
  }

  /** Stops listening and destroys every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
    const sockets = [...this.#held];
    for (const connection of [...this.#connections]) connection.destroy();
    for (const socket of sockets) socket.destroy();
    await waitFor(() => this.#connections.size + this.#held.size === 0, {
      everyMs: 1,
      what: "the end of the proxy's sockets",
    });
  }

  #welcome(client: Socket): void {
    this.#accepted.push(performance.now());
    if (this.welcome === "pass") return this.#join(client);
    client.on("error", () => {});
    if (this.welcome === "reset") return resetSocket(client);
    this.#held.add(client);
    client.on("close", () => this.#held.delete(client));
    client.resume();
  }

  #join(client: Socket): void {
    const target = "path" in this.to
      ? { path: this.to.path }
      : { host: this.to.host, port: this.to.port };
    const server = connect({ ...target, allowHalfOpen: true });
    // Nagle's algorithm would add delays of its own.
    client.setNoDelay(true);
    server.setNoDelay(true);
    const number = ++this.#lastNumber;
    const connection = new ProxyLink({
      number,
      client,
      server,
      faults: { ...this.#faults, ...this.#options.faultsOf?.(number) },
      forgetAfterIdleMs: this.#options.forgetAfterIdleMs ?? 0,
      script: this.#options.script,
      observer: this.#options.observer,
      onClose: (closed) => this.#forget(closed),
    });
    this.#connections.add(connection);
  }

  #forget(connection: ProxyLink): void {
    this.#connections.delete(connection);
    this.#closedBytes.toServer += connection.toServer.counts.delivered;
    this.#closedBytes.toClient += connection.toClient.counts.delivered;
  }
}
