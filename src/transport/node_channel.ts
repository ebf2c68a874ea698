import type { Buffer } from "node:buffer";
import { connect as connectTcp, type Socket } from "node:net";
import type {
  Address,
  KeepaliveTier,
  KernelKeepalive,
  TlsSession,
} from "../core/address.ts";
import { systemClock } from "../core/clock.ts";
import type { ByteChannel, ChannelHandlers, ChannelOptions } from "./channel.ts";
import { type AppliedKeepalive, applyKeepalive } from "./keepalive.ts";
import { kernelKeepaliveEnded } from "./keepalive_ffi.ts";
import { PacedReading } from "./paced_reading.ts";
import { giveReadMemory, takeReadMemory } from "./read_memory.ts";
import { ReadingTurn } from "./reading_turn.ts";
import { describeNodeTls } from "./tls_session.ts";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";

/** Who a socket belongs to: first its opening, then its channel. */
interface SocketOwner {
  /** It is open. */
  opened?(): void;
  /** It has brought bytes. */
  received?(chunk: Uint8Array): void;
  /** It has failed. */
  failed(error: Error): void;
  /** It has closed. */
  closed(): void;
}

/** Where a socket's owner stands on it. */
const OWNER = Symbol("owner");

/** Where the memory stands that a socket reads into. */
const MEMORY = Symbol("memory");

type OwnedSocket = Socket & { [OWNER]?: SocketOwner; [MEMORY]?: Buffer };

// The listeners of all sockets, and none is ever taken off: a closure for each would be
// kept for as long as it lives, that of an opening with all that it knew, and a listener
// that is taken off turns the socket's table of them into one of five times the size.

function onOpen(this: OwnedSocket): void {
  this[OWNER]?.opened?.();
}

function onData(this: OwnedSocket, chunk: Uint8Array): void {
  this[OWNER]?.received?.(chunk);
}

/** In place of a `data` event, for sockets with memory to read into; the bytes are lent. */
function onRead(this: OwnedSocket, length: number, memory: Uint8Array): boolean {
  this[OWNER]?.received?.(memory.subarray(0, length));
  return true;
}

/**
 * Whether plain sockets read into memory of their own, again and again. Else the runtime
 * takes 64 KiB of new memory for each read, however little that brings, and keeps all of
 * it for as long as a part is held. On Deno 2.8 `pause()` does not stop a socket that does.
 */
const READS_INTO_OWN = isSince29(Deno.version.deno);

function isSince29(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 9);
}

function onError(this: OwnedSocket, error: Error): void {
  this[OWNER]?.failed(error);
}

/** A server that says goodbye will not answer any more: do not linger half open. */
function onEnd(this: OwnedSocket): void {
  this.destroy();
}

function onClose(this: OwnedSocket): void {
  const memory = this[MEMORY];
  this[MEMORY] = undefined;
  if (memory !== undefined) giveReadMemory(memory);
  this[OWNER]?.closed();
}

/** A channel over node:net or node:tls: the fastest path on the runtimes measured. */
class NodeChannel implements ByteChannel, SocketOwner {
  readonly keepalive: KeepaliveTier;
  readonly kernelKeepalive: KernelKeepalive | null;
  readonly tls: TlsSession | null;
  readonly lendsChunks: boolean;
  readonly #socket: Socket;
  #handlers: ChannelHandlers | undefined;
  #reading: PacedReading | undefined;
  #error: Error | undefined;
  #isKept: boolean;

  constructor(
    socket: Socket,
    { tier, kernel }: AppliedKeepalive,
    tls: TlsSession | null,
  ) {
    this.#socket = socket;
    this.keepalive = tier;
    this.kernelKeepalive = kernel;
    this.#isKept = kernel !== null;
    this.tls = tls;
    this.lendsChunks = tls === null && READS_INTO_OWN;
  }

  // Asked for when it is wanted: the socket keeps an object for the answer.
  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  start(handlers: ChannelHandlers): void {
    const socket = this.#socket;
    const turn = new ReadingTurn(systemClock, handlers, this.tls !== null);
    this.#handlers = handlers;
    this.#reading = new PacedReading(socket, turn);
    socket.on("data", onData);
    socket.on("end", onEnd);
    if (socket.destroyed) queueMicrotask(() => this.closed());
    socket.resume();
  }

  /** The socket has brought bytes. */
  received(chunk: Uint8Array): void {
    this.#reading!.take(chunk);
  }

  /** The socket has failed. */
  failed(error: Error): void {
    this.#error ??= error;
  }

  /** The socket has closed. */
  closed(): void {
    this.#keepNoMore();
    // Closed before it was started, or told already.
    const handlers = this.#handlers;
    if (handlers === undefined) return;
    this.#handlers = undefined;
    this.#reading!.end();
    handlers.close(this.#error);
  }

  write(data: string | Uint8Array): void {
    this.#socket.write(data);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#keepNoMore();
  }

  #keepNoMore(): void {
    if (!this.#isKept) return;
    this.#isKept = false;
    kernelKeepaliveEnded();
  }
}

function tlsOptions(
  host: string | undefined,
  options: ChannelOptions,
): ConnectionOptions {
  const { ca, cert, key, serverName, verify } = options.tls!;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    servername: serverName ?? (host !== undefined && !isAddress(host) ? host : ""),
    rejectUnauthorized: verify,
  };
}

function isAddress(host: string): boolean {
  return host.includes(":") || /^\d+(\.\d+){3}$/.test(host);
}

function dial(endpoint: Address, options: ChannelOptions): Socket {
  const target = endpoint.path !== undefined
    ? { path: endpoint.path }
    : { host: endpoint.host, port: endpoint.port, noDelay: true };
  if (options.tls === undefined) {
    if (!READS_INTO_OWN) return connectTcp(target);
    const buffer = takeReadMemory();
    const onread = { buffer, callback: onRead };
    const socket: OwnedSocket = connectTcp({ ...target, onread });
    socket[MEMORY] = buffer;
    // Else it would read as soon as it is open, before there is anybody to take it.
    return socket.pause();
  }
  const host = endpoint.path === undefined ? endpoint.host : undefined;
  return connectTls({ ...target, ...tlsOptions(host, options) });
}

/**
 * Opens a channel over node:net, or node:tls where TLS is asked for.
 *
 * @param endpoint Where to connect.
 * @param options TLS, keepalive, signal.
 * @returns The open channel.
 * @throws {Error} The socket's error, or the signal's reason.
 */
export async function openNodeChannel(
  endpoint: Address,
  options: ChannelOptions,
): Promise<ByteChannel> {
  const { signal } = options;
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const socket: OwnedSocket = dial(endpoint, options);
    const settle = (owner: SocketOwner | undefined) => {
      signal.removeEventListener("abort", abort);
      socket[OWNER] = owner;
    };
    const fail = (error: Error) => {
      settle(undefined);
      socket.destroy();
      reject(error);
    };
    const abort = () => fail(signal.reason);
    const opened = () => {
      const channel = makeChannel(socket, endpoint, options);
      settle(channel);
      resolve(channel);
    };
    const closed = () => fail(new Error("the socket was closed before it was open"));
    socket[OWNER] = { opened, failed: fail, closed };
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.on(options.tls === undefined ? "connect" : "secureConnect", onOpen);
  });
}

function makeChannel(
  socket: Socket,
  endpoint: Address,
  options: ChannelOptions,
): NodeChannel {
  socket.setNoDelay(true);
  const tls = options.tls === undefined ? null : describeNodeTls(socket as TLSSocket);
  // Last, as it is to be told of the socket's end.
  const keepalive = endpoint.path !== undefined || options.keepalive === undefined
    ? { tier: "heartbeat", kernel: null } as const
    : applyKeepalive(socket, options.keepalive);
  return new NodeChannel(socket, keepalive, tls);
}
