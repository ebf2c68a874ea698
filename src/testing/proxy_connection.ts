/**
 * One client's connection through a fault proxy.
 *
 * @module
 */

import type { Socket } from "node:net";
import {
  type ProxyCounts,
  type ProxyEnd,
  type ProxyFate,
  type ProxyFault,
  ProxyPipe,
} from "./proxy_pipe.ts";
import { type ProxyScript, ScriptedLink } from "./proxy_script.ts";

/** Faults of both directions; one that is left out stays as it is. */
export interface ProxyFaults {
  /** What happens to commands. */
  toServer?: ProxyFault;
  /** What happens to replies. */
  toClient?: ProxyFault;
}

/** A direction of a connection. */
export type ProxyWay = keyof ProxyFaults;

/** Observes what passes through a proxy, before it is delivered. */
export interface ProxyObserver {
  /**
   * Bytes were received.
   *
   * @param connection Number of the connection, from 1 on.
   * @param way Their direction.
   * @param chunk The bytes.
   * @param fate Whether they are delivered.
   */
  bytes(connection: number, way: ProxyWay, chunk: Uint8Array, fate: ProxyFate): void;
  /**
   * Something else happened.
   *
   * @param text What happened.
   * @param connection Number of the connection; absent if it concerns all.
   */
  event(text: string, connection?: number): void;
}

/** A connection through a {@linkcode FaultProxy}. */
export interface ProxyConnection {
  /** Number of the connection, from 1 on. */
  readonly number: number;
  /** When the client was accepted, on the clock of `performance.now()`. */
  readonly acceptedAt: number;
  /** Port of the client's end. */
  readonly clientPort: number | undefined;
  /** From the client to the server: its fault, and its counts of bytes. */
  readonly toServer: { readonly fault: ProxyFault; readonly counts: ProxyCounts };
  /** From the server to the client: its fault, and its counts of bytes. */
  readonly toClient: { readonly fault: ProxyFault; readonly counts: ProxyCounts };
  /** Changes the faults of this connection. A direction that is being cut stays cut. */
  set(faults: ProxyFaults): void;
  /** From now on nothing passes in either direction; both ends stay open. */
  blackhole(): void;
  /**
   * Sends bytes to the client that the server did not send.
   *
   * @returns `true` when the kernel has taken them, `false` if the connection is closed.
   */
  inject(bytes: Uint8Array | string): Promise<boolean>;
  /** Ends the connection with RST: the client gets ECONNRESET. */
  reset(): void;
  /** Ends the connection with FIN, after what was delivered. */
  end(): void;
}

/** What a {@linkcode ProxyLink} is made of. */
export interface ProxyLinkOptions {
  /** Number of the connection, from 1 on. */
  number: number;
  /** The client's socket. */
  client: Socket;
  /** The socket to the server. */
  server: Socket;
  /** Faults from the first byte on. */
  faults: ProxyFaults;
  /** Idle time in milliseconds after which the connection is forgotten; 0: never. */
  forgetAfterIdleMs: number;
  /** Answers commands instead of the server. */
  script?: ProxyScript;
  /** Observes what passes. */
  observer?: ProxyObserver;
  /** Called once when both sockets are closed. */
  onClose: (link: ProxyLink) => void;
}

/** Closes a connection so that the peer gets ECONNRESET. */
export function resetSocket(socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy();
}

/** A pair of sockets with a fault for each direction. */
export class ProxyLink implements ProxyConnection {
  readonly number: number;
  readonly acceptedAt: number = performance.now();
  readonly toServer: ProxyPipe;
  readonly toClient: ProxyPipe;
  readonly #options: ProxyLinkOptions;
  #lastByteAt = this.acceptedAt;
  #openSockets = 2;

  constructor(options: ProxyLinkOptions) {
    this.#options = options;
    this.number = options.number;
    const { client, server, script } = options;
    const cut = (how: ProxyEnd) => how === "reset" ? this.reset() : this.end();
    const pipe = (from: Socket, to: Socket, way: ProxyWay) =>
      new ProxyPipe(from, to, {
        cut,
        note: (bytes, fate) => options.observer?.bytes(this.number, way, bytes, fate),
      });
    this.toServer = pipe(client, server, "toServer");
    this.toClient = pipe(server, client, "toClient");
    this.set(options.faults);
    this.#note(`accepted, faults ${JSON.stringify(options.faults)}`);
    const scripted = script && new ScriptedLink(script, {
      toServer: (bytes) => this.toServer.receive(bytes),
      toClient: (bytes) => this.toClient.receive(bytes),
    });
    const fromClient = (bytes: Uint8Array) =>
      scripted ? scripted.fromClient(bytes) : this.toServer.receive(bytes);
    const fromServer = (bytes: Uint8Array) =>
      scripted ? scripted.fromServer(bytes) : this.toClient.receive(bytes);
    this.#connect(client, this.toServer, fromClient, server);
    this.#connect(server, this.toClient, fromServer, client);
  }

  get clientPort(): number | undefined {
    return this.#options.client.remotePort;
  }

  set(faults: ProxyFaults): void {
    if (faults.toServer) this.toServer.set(faults.toServer);
    if (faults.toClient) this.toClient.set(faults.toClient);
  }

  blackhole(): void {
    this.set({ toServer: { kind: "swallow" }, toClient: { kind: "swallow" } });
  }

  inject(bytes: Uint8Array | string): Promise<boolean> {
    return this.toClient.inject(
      typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes,
    );
  }

  reset(): void {
    this.#note("is reset by the proxy");
    this.#closePipes();
    resetSocket(this.#options.client);
    this.#options.server.destroy();
  }

  end(): void {
    this.#note("is ended by the proxy");
    this.#closePipes();
    this.#options.client.end(() => this.#options.client.destroy());
    this.#options.server.destroy();
  }

  /** Destroys both sockets. */
  destroy(): void {
    this.#closePipes();
    this.#options.client.destroy();
    this.#options.server.destroy();
  }

  #connect(
    socket: Socket,
    pipe: ProxyPipe,
    take: (bytes: Uint8Array) => void,
    other: Socket,
  ): void {
    socket.on("data", (bytes: Uint8Array) => {
      this.#noteByte();
      take(bytes);
    });
    socket.on("end", () => pipe.receiveEnd());
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      this.#openSockets--;
      this.#note(
        `the socket of the ${pipe === this.toServer ? "client" : "server"} closed`,
      );
      if (this.#openSockets === 0) {
        this.#closePipes();
        this.#options.onClose(this);
      } else if (!pipe.isOver && pipe.fault.kind !== "swallow") {
        // What is delayed still arrives; then the other end closes by itself.
        pipe.receiveEnd();
        if (pipe.fault.kind !== "delay") other.end(() => other.destroy());
      }
    });
  }

  // Reads the clock for each chunk instead of setting a timer: whether the connection was
  // forgotten matters only when the next byte comes.
  #noteByte(): void {
    const now = performance.now();
    const { forgetAfterIdleMs } = this.#options;
    if (forgetAfterIdleMs > 0 && now - this.#lastByteAt > forgetAfterIdleMs) {
      this.blackhole();
    }
    this.#lastByteAt = now;
  }

  #note(what: string): void {
    this.#options.observer?.event(what, this.number);
  }

  #closePipes(): void {
    this.toServer.close();
    this.toClient.close();
  }
}
