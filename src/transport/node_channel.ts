import { Buffer } from "node:buffer";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type {
  Address,
  KeepaliveTier,
  KernelKeepalive,
  TlsSession,
} from "../core/address.ts";
import { systemClock } from "../core/clock.ts";
import type { ByteChannel, ChannelHandlers, ChannelOptions } from "./channel.ts";
import { FairReader, ReadBudget } from "./fair_reading.ts";
import {
  type AppliedKeepalive,
  applyKeepalive,
  nodeNetSetsKeepalive,
} from "./keepalive.ts";

/** Handles the events of a socket: first while it opens, then for its channel. */
interface SocketOwner {
  opened?(): void;
  received?(chunk: Uint8Array): void;
  failed(error: Error): void;
  closed(): void;
}

/** Key of a socket's owner. */
const OWNER = Symbol("owner");

/** Key of the memory that a socket reads into. */
const MEMORY = Symbol("memory");

type OwnedSocket = Socket & { [OWNER]?: SocketOwner; [MEMORY]?: Buffer };

// The listeners are shared by all sockets and never removed: a closure per socket would be
// kept for as long as the socket lives, and removing a listener makes the socket's table of
// listeners five times as large.

function onOpen(this: OwnedSocket): void {
  this[OWNER]?.opened?.();
}

function onData(this: OwnedSocket, chunk: Uint8Array): void {
  this[OWNER]?.received?.(chunk);
}

/** In place of a `data` event, for sockets that read into reused memory. */
function onRead(this: OwnedSocket, length: number, memory: Uint8Array): boolean {
  this[OWNER]?.received?.(memory.subarray(0, length));
  return true;
}

/**
 * Whether plain sockets read into memory that is reused. Otherwise the runtime allocates
 * 64 KiB for each read, however few bytes it returns, and keeps all of it for as long as a
 * part is referenced. On Deno 2.8 `pause()` does not stop a socket that reuses memory.
 */
const REUSES_MEMORY = isSince29(Deno.version.deno);

function isSince29(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 9);
}

function onError(this: OwnedSocket, error: Error): void {
  this[OWNER]?.failed(error);
}

/** The server closed its side and will not answer any more. */
function onEnd(this: OwnedSocket): void {
  this.destroy();
}

function onClose(this: OwnedSocket): void {
  const memory = this[MEMORY];
  this[MEMORY] = undefined;
  if (memory !== undefined) free.push(memory);
  this[OWNER]?.closed();
}

/** A channel over node:net or node:tls: the fastest sockets on the runtimes measured. */
class NodeChannel implements ByteChannel, SocketOwner {
  readonly keepalive: KeepaliveTier;
  readonly kernelKeepalive: KernelKeepalive | null;
  readonly tls: TlsSession | null;
  readonly lendsChunks: boolean;
  readonly #socket: Socket;
  #handlers: ChannelHandlers | undefined;
  #reader: FairReader | undefined;
  #error: Error | undefined;

  constructor(
    socket: Socket,
    { tier, kernel }: AppliedKeepalive,
    tls: TlsSession | null,
  ) {
    this.#socket = socket;
    this.keepalive = tier;
    this.kernelKeepalive = kernel;
    this.tls = tls;
    this.lendsChunks = tls === null && REUSES_MEMORY;
  }

  // Read on demand: the socket keeps an object for the value.
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
    const budget = new ReadBudget(systemClock, handlers, this.tls !== null);
    this.#handlers = handlers;
    this.#reader = new FairReader(socket, budget);
    socket.on("data", onData);
    socket.on("end", onEnd);
    if (socket.destroyed) queueMicrotask(() => this.closed());
    socket.resume();
  }

  received(chunk: Uint8Array): void {
    this.#reader!.take(chunk);
  }

  failed(error: Error): void {
    this.#error ??= error;
  }

  closed(): void {
    // Closed before it was started, or reported already.
    const handlers = this.#handlers;
    if (handlers === undefined) return;
    this.#handlers = undefined;
    this.#reader!.end();
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
  }
}

function dial(endpoint: Address, options: ChannelOptions): Socket {
  const target = endpoint.path !== undefined
    ? { path: endpoint.path }
    : { host: endpoint.host, port: endpoint.port, noDelay: true };
  if (options.tls === undefined) {
    if (!REUSES_MEMORY) return connectTcp(target);
    const buffer = allocateReadMemory();
    const onread = { buffer, callback: onRead };
    const socket: OwnedSocket = connectTcp({ ...target, onread });
    socket[MEMORY] = buffer;
    // Otherwise it reads as soon as it is open, before there is a channel.
    return socket.pause();
  }
  const { ca, cert, key, serverName, verify } = options.tls;
  const host = endpoint.path === undefined ? endpoint.host : "";
  const isAddress = host.includes(":") || /^\d+(\.\d+){3}$/.test(host);
  const servername = serverName ?? (isAddress ? "" : host);
  return connectTls({ ...target, ca, cert, key, servername, rejectUnauthorized: verify });
}

/**
 * Opens a channel over node:net, or node:tls where TLS is enabled.
 *
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
  const times = endpoint.path !== undefined ? undefined : options.keepalive;
  let tier: KeepaliveTier = "heartbeat";
  if (times !== undefined) {
    socket.setKeepAlive(true, times.idleMs);
    if (nodeNetSetsKeepalive(Deno.version.deno)) tier = "idle";
  }
  return new NodeChannel(socket, applyKeepalive(socket, times, tier), tls);
}

/** Bytes of one read of a plain socket. */
const READ_BYTES = 64 * 1024;
/** Sockets whose memory is allocated together. */
const SLOTS = 32;

/** Memory that no socket uses. */
const free: Buffer[] = [];

/**
 * Allocates memory that one socket reads into. No other socket gets it until it is released:
 * `node:net` leaves the bytes of one socket alone until its callback returns, and promises
 * nothing for memory that several sockets read into.
 *
 * So much is allocated at once that the system maps it page by page, as it is written to: an
 * idle connection uses one page of it.
 */
function allocateReadMemory(): Buffer {
  if (free.length === 0) {
    const slab = Buffer.allocUnsafeSlow(SLOTS * READ_BYTES);
    // The first is taken first: those at the end may never be touched.
    for (let end = slab.length; end > 0; end -= READ_BYTES) {
      free.push(slab.subarray(end - READ_BYTES, end));
    }
  }
  return free.pop()!;
}

/** A value that the runtime may not support; `null` then. */
function ask<T>(call: () => T | null | undefined): T | null {
  try {
    return call() ?? null;
  } catch {
    return null;
  }
}

/** The TLS parameters of a socket whose handshake is over. */
function describeNodeTls(socket: TLSSocket): TlsSession {
  const validTo = ask(() => socket.getPeerCertificate().valid_to);
  const expiresAt = validTo === null ? NaN : Date.parse(validTo);
  return Object.freeze({
    protocol: ask(() => socket.getProtocol()),
    cipher: ask(() => socket.getCipher().standardName ?? socket.getCipher().name),
    expiresAt: Number.isNaN(expiresAt) ? null : new Date(expiresAt).toISOString(),
  });
}
