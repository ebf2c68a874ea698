/**
 * One client's connection through a relay.
 *
 * @module
 */

import type { Socket } from "node:net";
import { type RelayEnd, type RelayFault, RelayPipe } from "./relay_pipe.ts";
import type { RelayObserver, RelayWay } from "./relay_recorder.ts";
import { type RelayScript, ScriptedLink } from "./relay_script.ts";
import { resetSocket } from "./reset_socket.ts";

/** Faults of both directions; one that is left out stays as it is. */
export interface RelayFaults {
  /** What happens to commands. */
  toServer?: RelayFault;
  /** What happens to replies. */
  toClient?: RelayFault;
}

/** What a {@linkcode RelayConnection} is made of. */
export interface RelayConnectionOptions {
  /** Number of the connection, from 1 on. */
  number: number;
  /** The client's socket. */
  client: Socket;
  /** The socket to the server. */
  server: Socket;
  /** Faults from the first byte on. */
  faults: RelayFaults;
  /** Silence in milliseconds after which the relay forgets the connection; 0: never. */
  forgetAfterIdleMs: number;
  /** Answers commands instead of the server. */
  script?: RelayScript;
  /** Remembers what passed. */
  recorder?: RelayObserver;
  /** Called once when both sockets are closed. */
  onClose: (connection: RelayConnection) => void;
}

/** A pair of sockets with a fault for each direction. */
export class RelayConnection {
  /** Number of the connection, from 1 on. */
  readonly number: number;
  /** When the client was accepted, on the clock of `performance.now()`. */
  readonly acceptedAt: number = performance.now();
  /** From the client to the server. */
  readonly toServer: RelayPipe;
  /** From the server to the client. */
  readonly toClient: RelayPipe;
  readonly #options: RelayConnectionOptions;
  readonly #link: ScriptedLink | undefined;
  #lastByteAt = this.acceptedAt;
  #openSockets = 2;

  constructor(options: RelayConnectionOptions) {
    this.#options = options;
    this.number = options.number;
    const { client, server, script } = options;
    const cut = (how: RelayEnd) => how === "reset" ? this.reset() : this.end();
    const pipe = (from: Socket, to: Socket, way: RelayWay) =>
      new RelayPipe(from, to, {
        cut,
        note: (bytes, fate) => options.recorder?.bytes(this.number, way, bytes, fate),
      });
    this.toServer = pipe(client, server, "toServer");
    this.toClient = pipe(server, client, "toClient");
    this.#link = script && new ScriptedLink(script, {
      toServer: (bytes) => this.toServer.receive(bytes),
      toClient: (bytes) => this.toClient.receive(bytes),
    });
    this.set(options.faults);
    this.#note(`accepted, faults ${JSON.stringify(options.faults)}`);
    this.#connect(client, this.toServer, (bytes) => this.#fromClient(bytes), server);
    this.#connect(server, this.toClient, (bytes) => this.#fromServer(bytes), client);
  }

  /** Port of the client's end, as CLIENT LIST of a server without relay would show it. */
  get clientPort(): number | undefined {
    return this.#options.client.remotePort;
  }

  /** Changes the faults of this connection from now on; those of a direction that is being
   * cut stay as they are. */
  set(faults: RelayFaults): void {
    if (faults.toServer) this.toServer.set(faults.toServer);
    if (faults.toClient) this.toClient.set(faults.toClient);
  }

  /** Both ends stay open, and nothing passes any more: what a middlebox that forgot does. */
  blackhole(): void {
    this.set({ toServer: { kind: "drop" }, toClient: { kind: "drop" } });
  }

  /**
   * Sends the client bytes that no server sent. Resolves with true when the kernel took
   * them, with false when the connection is closed: who sends without end waits for it.
   */
  inject(bytes: Uint8Array | string): Promise<boolean> {
    return this.toClient.inject(
      typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes,
    );
  }

  /** Ends the connection with RST: the client sees ECONNRESET. */
  reset(): void {
    this.#note("is reset by the relay");
    this.#closePipes();
    resetSocket(this.#options.client);
    this.#options.server.destroy();
  }

  /** Ends the connection with FIN, after what was delivered. */
  end(): void {
    this.#note("is ended by the relay");
    this.#closePipes();
    this.#options.client.end(() => this.#options.client.destroy());
    this.#options.server.destroy();
  }

  /** Drops both sockets. */
  destroy(): void {
    this.#closePipes();
    this.#options.client.destroy();
    this.#options.server.destroy();
  }

  #fromClient(bytes: Uint8Array): void {
    if (this.#link) this.#link.fromClient(bytes);
    else this.toServer.receive(bytes);
  }

  #fromServer(bytes: Uint8Array): void {
    if (this.#link) this.#link.fromServer(bytes);
    else this.toClient.receive(bytes);
  }

  #connect(
    socket: Socket,
    pipe: RelayPipe,
    take: (bytes: Uint8Array) => void,
    other: Socket,
  ): void {
    socket.on("data", (bytes: Uint8Array) => {
      this.#noteByte();
      take(bytes);
    });
    socket.on("end", () => pipe.receiveEnd());
    socket.on("error", () => {}); // "close" follows, and says enough
    socket.on("close", () => {
      this.#openSockets--;
      this.#note(
        `the socket of the ${pipe === this.toServer ? "client" : "server"} closed`,
      );
      if (this.#openSockets === 0) {
        this.#closePipes();
        this.#options.onClose(this);
      } else if (!pipe.isOver && pipe.fault.kind !== "drop") {
        // What is delayed still arrives; the other end then closes by itself.
        pipe.receiveEnd();
        if (pipe.fault.kind !== "delay") other.end(() => other.destroy());
      }
    });
  }

  // A clock read a chunk instead of a timer: whether the connection was forgotten matters
  // only when the next byte comes.
  #noteByte(): void {
    const now = performance.now();
    const { forgetAfterIdleMs } = this.#options;
    if (forgetAfterIdleMs > 0 && now - this.#lastByteAt > forgetAfterIdleMs) {
      this.blackhole();
    }
    this.#lastByteAt = now;
  }

  #note(what: string): void {
    this.#options.recorder?.event(what, this.number);
  }

  #closePipes(): void {
    this.toServer.close();
    this.toClient.close();
  }
}
