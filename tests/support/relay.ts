/**
 * A TCP relay that stands between a client and a server and spoils what it is told to.
 *
 * @module
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import { freePort, isPortFree } from "./ports.ts";
import { RelayConnection, type RelayFaults } from "./relay_connection.ts";
import type { RelayObserver } from "./relay_recorder.ts";
import type { RelayScript } from "./relay_script.ts";
import { resetSocket } from "./reset_socket.ts";
import { waitFor } from "./wait.ts";

export type { RelayConnection, RelayFaults } from "./relay_connection.ts";
export type { RelayEnd, RelayFault, RelayPipeCounts } from "./relay_pipe.ts";
export { RelayRecorder } from "./relay_recorder.ts";
export type { RelayScript } from "./relay_script.ts";

/** Where a relay leads to. */
export type RelayTarget = { host: string; port: number } | { path: string };

/**
 * What a relay does with a new connection. `pass`: connects it to the server. `reset`:
 * accepts and sends RST. `hold`: accepts and says nothing, for ever.
 */
export type RelayWelcome = "pass" | "reset" | "hold";

/** Options of {@linkcode Relay.start}. */
export interface RelayOptions {
  /** The server. A `RedisServer` is one. */
  to: RelayTarget;
  /** Port to listen on, 1 to 65535. Default: a free one. */
  port?: number;
  /** Faults of every connection from its first byte on. Default: all bytes pass. */
  faults?: RelayFaults;
  /** Further faults of a connection, by its number from 1 on. Default: none. */
  faultsOf?: (number: number) => RelayFaults;
  /** What happens to new connections. Default: `pass`. */
  welcome?: RelayWelcome;
  /**
   * Silence, in milliseconds, after which a connection is forgotten: both ends stay open,
   * nothing passes any more. Default: 0, never.
   */
  forgetAfterIdleMs?: number;
  /** Answers commands instead of the server. Default: the server answers all. */
  script?: RelayScript;
  /** Remembers what passed, and what happened. Default: nothing is remembered. */
  recorder?: RelayObserver;
}

/**
 * A relay on loopback.
 *
 * @example
 * ```ts
 * await using server = await RedisServer.start();
 * await using relay = await Relay.start({ to: server });
 * // … connect the client under test to relay.port
 * relay.set({ toClient: { kind: "cut", afterBytes: 0, how: "reset" } });
 * // the server runs the next command; the client gets RST instead of the reply
 * relay.heal();
 * ```
 */
export class Relay implements AsyncDisposable {
  /** Address that the relay listens on. */
  readonly host = "127.0.0.1";
  /** Port that the relay listens on. */
  readonly port: number;
  /** Where new connections lead to; may be changed at any time. */
  to: RelayTarget;
  /** What happens to new connections; may be changed at any time. */
  welcome: RelayWelcome;
  readonly #options: RelayOptions;
  readonly #accepted: number[] = [];
  readonly #connections = new Set<RelayConnection>();
  readonly #held = new Set<Socket>();
  readonly #closedBytes = { toServer: 0, toClient: 0 };
  #lastNumber = 0;
  #faults: RelayFaults;
  #listener: Server | undefined;

  private constructor(options: RelayOptions, port: number) {
    this.#options = options;
    this.port = port;
    this.to = options.to;
    this.welcome = options.welcome ?? "pass";
    this.#faults = options.faults ?? {};
  }

  /**
   * Starts a relay.
   *
   * @throws {Error} If the port that the options name is taken.
   */
  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options, options.port ?? freePort());
    await relay.listen();
    return relay;
  }

  /** `redis://` with host and port. */
  get url(): string {
    return `redis://${this.host}:${this.port}`;
  }

  /** Connections of which at least one end is open, oldest first. */
  get connections(): readonly RelayConnection[] {
    return [...this.#connections];
  }

  /** When each client was accepted, on the clock of `performance.now()`, oldest first. */
  get accepted(): readonly number[] {
    return this.#accepted;
  }

  /** Bytes delivered each way, over all connections, closed ones too. */
  get bytes(): { toServer: number; toClient: number } {
    const sum = { ...this.#closedBytes };
    for (const { toServer, toClient } of this.#connections) {
      sum.toServer += toServer.counts.delivered;
      sum.toClient += toClient.counts.delivered;
    }
    return sum;
  }

  /** Changes the faults of all connections, those to come included. */
  set(faults: RelayFaults): void {
    this.#options.recorder?.event(`faults are set: ${JSON.stringify(faults)}`);
    this.#faults = { ...this.#faults, ...faults };
    for (const connection of this.#connections) connection.set(faults);
  }

  /**
   * All bytes of new connections pass again, and of those that lost none: what was stalled
   * goes on. A stream that lost some stays silent until an end closes it.
   */
  heal(): void {
    this.welcome = "pass";
    this.set({ toServer: { kind: "pass" }, toClient: { kind: "pass" } });
  }

  /** Nothing passes any more, both ways; all sockets stay open. */
  blackhole(): void {
    this.set({ toServer: { kind: "drop" }, toClient: { kind: "drop" } });
  }

  /** Ends every connection with RST. */
  resetAll(): void {
    for (const connection of this.connections) connection.reset();
    for (const socket of this.#held) resetSocket(socket);
  }

  /** Refuses new connections (ECONNREFUSED) until {@linkcode listen}; open ones stay. */
  async refuse(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    await waitFor(() => isPortFree(this.port), { everyMs: 1, what: "the closed port" });
  }

  /** Listens again on the same port. Does nothing while it listens. */
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

  /** Stops listening and drops every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
    const sockets = [...this.#held];
    for (const connection of this.connections) connection.destroy();
    for (const socket of sockets) socket.destroy();
    await waitFor(() => this.#connections.size + this.#held.size === 0, {
      everyMs: 1,
      what: "the end of the relay's sockets",
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
    // Nagle's algorithm would add delays that nobody asked for.
    client.setNoDelay(true);
    server.setNoDelay(true);
    const number = ++this.#lastNumber;
    const connection = new RelayConnection({
      number,
      client,
      server,
      faults: { ...this.#faults, ...this.#options.faultsOf?.(number) },
      forgetAfterIdleMs: this.#options.forgetAfterIdleMs ?? 0,
      script: this.#options.script,
      recorder: this.#options.recorder,
      onClose: (closed) => this.#forget(closed),
    });
    this.#connections.add(connection);
  }

  #forget(connection: RelayConnection): void {
    this.#connections.delete(connection);
    this.#closedBytes.toServer += connection.toServer.counts.delivered;
    this.#closedBytes.toClient += connection.toClient.counts.delivered;
  }
}
