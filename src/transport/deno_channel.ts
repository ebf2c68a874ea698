import type {
  Address,
  KeepaliveTier,
  KernelKeepalive,
  TcpAddress,
  TlsSession,
} from "../core/address.ts";
import { systemClock } from "../core/clock.ts";
import type { ByteChannel, ChannelHandlers, ChannelOptions } from "./channel.ts";
import type { AppliedKeepalive } from "./keepalive.ts";
import { kernelKeepaliveEnded, setKernelKeepalive } from "./keepalive_ffi.ts";
import { ReadingTurn } from "./reading_turn.ts";
import type { TlsMaterial } from "./tls.ts";
import { UNTOLD_TLS } from "./tls_session.ts";
import { Buffer } from "node:buffer";

/** Bytes read at once. */
const READ_SIZE = 64 * 1024;

const encoder = new TextEncoder();

/**
 * Deno 2.8.3 leaves a pending read of a plain socket as it is when the socket is closed: the
 * read keeps the socket open, and the process alive.
 */
const READS_OUTLIVE_CLOSE = Deno.version.deno === "2.8.3";

type Conn = Deno.TcpConn | Deno.TlsConn | Deno.UnixConn;

/** A channel over the runtime's own sockets, for those who ask for it: no node:net. */
class DenoChannel implements ByteChannel {
  readonly lendsChunks = true;
  readonly keepalive: KeepaliveTier;
  readonly kernelKeepalive: KernelKeepalive | null;
  readonly tls: TlsSession | null;
  readonly localPort: number;
  readonly #conn: Conn;
  #queue: Uint8Array[] = [];
  #bufferedBytes = 0;
  #bytesWritten = 0;
  #writing = false;
  #state: "open" | "ending" | "closed" = "open";
  #handlers: ChannelHandlers | undefined;

  constructor(
    conn: Conn,
    { tier, kernel }: AppliedKeepalive,
    tls: TlsSession | null,
  ) {
    this.#conn = conn;
    this.keepalive = tier;
    this.kernelKeepalive = kernel;
    this.tls = tls;
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
    const turn = new ReadingTurn(systemClock, handlers, this.tls !== null);
    // The client library's parser decodes text with methods of Buffer.
    const bytes = Buffer.allocUnsafeSlow(READ_SIZE);
    try {
      while (this.#state !== "closed") {
        const count = await this.#conn.read(bytes);
        if (count === null) break;
        const over = turn.take(bytes.subarray(0, count));
        if (over !== undefined) await over;
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
      if (READS_OUTLIVE_CLOSE && this.tls === null) endReads(this.#conn);
      this.#conn.close();
    } catch {
      // Closed by the runtime already.
    }
    if (this.kernelKeepalive !== null) kernelKeepaliveEnded();
    const handlers = this.#handlers;
    if (handlers !== undefined) queueMicrotask(() => handlers.close(error));
  }
}

/** Has the server end the pending read; one that hangs does not keep the process alive. */
function endReads(conn: Conn): void {
  conn.closeWrite().catch(() => {}); // The server has closed it already.
  conn.unref();
}

/** A socket that is open, and what keepalive the runtime gave it. */
type Dialled = readonly [conn: Conn, tier: KeepaliveTier];

async function dial(endpoint: Address, options: ChannelOptions): Promise<Dialled> {
  const { signal, tls } = options;
  if (endpoint.path !== undefined) {
    if (tls !== undefined) throw unsupported("speak TLS over a Unix socket");
    const { path } = endpoint;
    return [await Deno.connect({ transport: "unix", path }), "heartbeat"];
  }
  if (tls !== undefined) return await dialTls(endpoint, tls, options);
  const conn = await Deno.connect({
    hostname: endpoint.host,
    port: endpoint.port,
    signal,
  });
  return [conn, tune(conn, options)];
}

/** What the runtime's TLS has no option for is refused, never left out. */
async function dialTls(
  { host, port }: TcpAddress,
  tls: TlsMaterial,
  options: ChannelOptions,
): Promise<Dialled> {
  const { signal } = options;
  const { ca, cert, key, serverName = host, verify } = tls;
  if (!verify) throw unsupported("switch the verification of certificates off");
  const caCerts = ca === undefined ? {} : { caCerts: [ca] };
  if (cert === undefined || key === undefined) {
    const conn = await Deno.connect({ hostname: host, port, signal });
    const tier = tune(conn, options);
    const secured = await Deno.startTls(conn, { hostname: serverName, ...caCerts });
    return [await shakeHands(secured, signal), tier];
  }
  // Deno.startTls, which can tell the name from the host, takes no client certificate.
  if (serverName !== host) {
    throw unsupported(
      "expect another server name than the host with a client certificate",
    );
  }
  const secured = await Deno.connectTls({ hostname: host, port, cert, key, ...caCerts });
  return [await shakeHands(secured, signal), tune(secured, options)];
}

async function shakeHands(
  conn: Deno.TlsConn,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const close = () => conn.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    await conn.handshake();
    signal.throwIfAborted();
    return conn;
  } catch (error) {
    if (!signal.aborted) close();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

function unsupported(what: string): TypeError {
  return new TypeError(`Cannot ${what} with transport "deno": use transport "node"`);
}

/** Sets TCP_NODELAY and keepalive, as far as the runtime has a call for it. */
function tune(
  conn: Deno.TcpConn | Deno.TlsConn,
  { keepalive }: ChannelOptions,
): KeepaliveTier {
  if ("setNoDelay" in conn) conn.setNoDelay(true);
  if (keepalive === undefined || !("setKeepAlive" in conn)) return "heartbeat";
  conn.setKeepAlive(true);
  return "on";
}

/** Sets what the runtime has no call for; last, as it is to be told of the socket's end. */
function tuneByKernel(
  { localAddr, remoteAddr }: Conn,
  tier: KeepaliveTier,
  { keepalive }: ChannelOptions,
): AppliedKeepalive {
  if (keepalive === undefined) return { tier, kernel: null };
  if (localAddr.transport !== "tcp" || remoteAddr.transport !== "tcp") {
    return { tier, kernel: null };
  }
  const ends = { localPort: localAddr.port, remotePort: remoteAddr.port };
  const kernel = setKernelKeepalive(ends, keepalive);
  return { tier: kernel === null ? tier : "full", kernel };
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
  endpoint: Address,
  options: ChannelOptions,
): Promise<ByteChannel> {
  options.signal.throwIfAborted();
  const [conn, tier] = await dial(endpoint, options);
  if (options.signal.aborted) {
    conn.close();
    options.signal.throwIfAborted();
  }
  const tls = options.tls === undefined ? null : UNTOLD_TLS;
  return new DenoChannel(conn, tuneByKernel(conn, tier, options), tls);
}
