import { Buffer } from "node:buffer";
import type {
  ByteChannel,
  ChannelHandlers,
  ChannelOptions,
  Endpoint,
  KeepaliveTier,
} from "./channel.ts";
import { setKernelKeepalive } from "./keepalive_ffi.ts";

/** Bytes read at once. */
const READ_SIZE = 64 * 1024;

const encoder = new TextEncoder();

type Conn = Deno.TcpConn | Deno.TlsConn | Deno.UnixConn;

/** A channel over the runtime's own sockets, for those who ask for it: no node:net. */
class DenoChannel implements ByteChannel {
  readonly keepalive: KeepaliveTier;
  readonly localPort: number;
  readonly #conn: Conn;
  #queue: Uint8Array[] = [];
  #bufferedBytes = 0;
  #bytesWritten = 0;
  #writing = false;
  #state: "open" | "ending" | "closed" = "open";
  #handlers: ChannelHandlers | undefined;

  constructor(conn: Conn, keepalive: KeepaliveTier) {
    this.#conn = conn;
    this.keepalive = keepalive;
    const { localAddr } = conn;
    this.localPort = localAddr.transport === "tcp" ? localAddr.port : 0;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  start(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    this.#read(handlers);
  }

  write(data: string | Uint8Array): void {
    if (this.#state !== "open") return;
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    this.#queue.push(bytes);
    this.#bufferedBytes += bytes.byteLength;
    this.#bytesWritten += bytes.byteLength;
    if (!this.#writing) this.#drainQueue();
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    if (!this.#writing) this.destroy();
  }

  destroy(): void {
    this.#finish(undefined);
  }

  async #read(handlers: ChannelHandlers): Promise<void> {
    try {
      while (this.#state !== "closed") {
        // A new buffer each time: the parser keeps slices of it.
        const bytes = new Uint8Array(READ_SIZE);
        const count = await this.#conn.read(bytes);
        if (count === null) break;
        // The client library's parser decodes text with methods of Buffer.
        handlers.data(Buffer.from(bytes.buffer, 0, count));
      }
      this.#finish(undefined);
    } catch (error) {
      this.#finish(error as Error);
    }
  }

  async #drainQueue(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#queue.length > 0) {
        const bytes = this.#takeQueued();
        for (let sent = 0; sent < bytes.byteLength;) {
          sent += await this.#conn.write(bytes.subarray(sent));
        }
        this.#bufferedBytes -= bytes.byteLength;
      }
      this.#writing = false;
      if (this.#state === "ending") this.destroy();
      else this.#handlers?.drain();
    } catch (error) {
      this.#writing = false;
      this.#finish(error as Error);
    }
  }

  /** All that waits as one write, so that a slow socket costs few system calls. */
  #takeQueued(): Uint8Array {
    const queue = this.#queue;
    this.#queue = [];
    if (queue.length === 1) return queue[0]!;
    const joined = new Uint8Array(queue.reduce((sum, part) => sum + part.byteLength, 0));
    let offset = 0;
    for (const part of queue) {
      joined.set(part, offset);
      offset += part.byteLength;
    }
    return joined;
  }

  #finish(error: Error | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#queue = [];
    try {
      this.#conn.close();
    } catch {
      // Closed by the runtime already.
    }
    const handlers = this.#handlers;
    if (handlers !== undefined) queueMicrotask(() => handlers.close(error));
  }
}

async function dial(endpoint: Endpoint, options: ChannelOptions): Promise<Conn> {
  if (endpoint.kind === "unix") {
    return await Deno.connect({ transport: "unix", path: endpoint.path });
  }
  const { host: hostname, port } = endpoint;
  const { tls, signal } = options;
  const conn = await Deno.connect({ hostname, port, signal });
  if (tls === undefined) return conn;
  if (!tls.verify) {
    conn.close();
    throw new TypeError(
      'Cannot switch TLS verification off with transport "deno": use transport "node"',
    );
  }
  const secured = await Deno.startTls(conn, {
    hostname: tls.serverName ?? hostname,
    ...(tls.ca === undefined ? {} : { caCerts: [tls.ca] }),
  });
  await secured.handshake();
  return secured;
}

function setKeepalive(conn: Conn, options: ChannelOptions): KeepaliveTier {
  const { keepalive } = options;
  const { localAddr, remoteAddr } = conn;
  if (keepalive === undefined || localAddr.transport !== "tcp") return "heartbeat";
  if ("setKeepAlive" in conn) conn.setKeepAlive(true);
  const remotePort = remoteAddr.transport === "tcp" ? remoteAddr.port : 0;
  if (setKernelKeepalive(localAddr.port, remotePort, keepalive)) return "full";
  return "setKeepAlive" in conn ? "on" : "heartbeat";
}

/**
 * Opens a channel over the runtime's own sockets.
 *
 * @param endpoint Where to connect.
 * @param options TLS, keepalive, signal.
 * @returns The open channel.
 * @throws {Error} The socket's error, or the signal's reason.
 */
export async function openDenoChannel(
  endpoint: Endpoint,
  options: ChannelOptions,
): Promise<ByteChannel> {
  options.signal.throwIfAborted();
  const conn = await dial(endpoint, options);
  if (options.signal.aborted) {
    conn.close();
    options.signal.throwIfAborted();
  }
  if ("setNoDelay" in conn) conn.setNoDelay(true);
  return new DenoChannel(conn, setKeepalive(conn, options));
}
