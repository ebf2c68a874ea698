import { Buffer } from "node:buffer";
import type {
  Address,
  KeepaliveTier,
  KernelKeepalive,
  TcpAddress,
  TlsSession,
} from "../core/address.ts";
import { systemClock } from "../core/clock.ts";
import type {
  ByteChannel,
  ChannelHandlers,
  ChannelOptions,
  TlsMaterial,
} from "./channel.ts";
import { concat } from "./coalescer.ts";
import { ReadBudget } from "./fair_reading.ts";
import { type AppliedKeepalive, applyKeepalive } from "./keepalive.ts";

/** Deno reports nothing about the TLS session of its own sockets. */
const UNKNOWN_TLS: TlsSession = Object.freeze({
  protocol: null,
  cipher: null,
  expiresAt: null,
});

/** Bytes of one read. */
const READ_SIZE = 64 * 1024;

const encoder = new TextEncoder();

/**
 * Deno 2.8.3 leaves a pending read of a plain socket as it is when the socket is closed: the
 * read keeps the socket open, and the process alive.
 */
const READS_OUTLIVE_CLOSE = Deno.version.deno === "2.8.3";

type Conn = Deno.TcpConn | Deno.TlsConn | Deno.UnixConn;

/** A channel over the sockets of Deno, for `transport: deno`. */
class DenoChannel implements ByteChannel {
  readonly lendsChunks = true;
  readonly keepalive: KeepaliveTier;
  readonly kernelKeepalive: KernelKeepalive | null;
  readonly tls: TlsSession | null;
  readonly localPort: number;
  readonly #conn: Conn;
  #queue: Uint8Array[] = [];
  bufferedBytes = 0;
  bytesWritten = 0;
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
    this.localPort = portOf(conn.localAddr) ?? 0;
  }

  start(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    this.#read(handlers);
  }

  write(data: string | Uint8Array): void {
    if (this.#state !== "open") return;
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    this.#queue.push(bytes);
    this.bufferedBytes += bytes.byteLength;
    this.bytesWritten += bytes.byteLength;
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
    const budget = new ReadBudget(systemClock, handlers, this.tls !== null);
    // The parser of ioredis decodes text with methods of Buffer.
    const bytes = Buffer.allocUnsafeSlow(READ_SIZE);
    try {
      while (this.#state !== "closed") {
        const count = await this.#conn.read(bytes);
        if (count === null) break;
        const turn = budget.take(bytes.subarray(0, count));
        if (turn !== undefined) await turn;
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
        // One write, so that a slow socket needs few system calls.
        const bytes = this.#queue.length === 1 ? this.#queue[0]! : concat(this.#queue);
        this.#queue = [];
        for (let sent = 0; sent < bytes.byteLength;) {
          sent += await this.#conn.write(bytes.subarray(sent));
        }
        this.bufferedBytes -= bytes.byteLength;
      }
      this.#writing = false;
      if (this.#state === "ending") this.destroy();
    } catch (error) {
      this.#writing = false;
      this.#finish(error as Error);
    }
  }

  #finish(error: Error | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#queue = [];
    try {
      if (READS_OUTLIVE_CLOSE && this.tls === null) {
        // The server ends the read; one that hangs does not keep the process alive.
        this.#conn.closeWrite().catch(() => {});
        this.#conn.unref();
      }
      this.#conn.close();
    } catch {
      // Closed by the runtime already.
    }
    const handlers = this.#handlers;
    if (handlers !== undefined) queueMicrotask(() => handlers.close(error));
  }
}

function portOf(address: Deno.Addr): number | undefined {
  return address.transport === "tcp" ? address.port : undefined;
}

/** An open socket, and the keepalive that the runtime has set. */
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

/** Options that TLS of Deno does not have are refused, not ignored. */
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
    return [await completeHandshake(secured, signal), tier];
  }
  // Deno.startTls, which can tell the name from the host, takes no client certificate.
  if (serverName !== host) {
    throw unsupported(
      "expect another server name than the host with a client certificate",
    );
  }
  const secured = await Deno.connectTls({ hostname: host, port, cert, key, ...caCerts });
  return [await completeHandshake(secured, signal), tune(secured, options)];
}

async function completeHandshake(
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

/** Sets TCP_NODELAY and keepalive, as far as Deno can. */
function tune(
  conn: Deno.TcpConn | Deno.TlsConn,
  { keepalive }: ChannelOptions,
): KeepaliveTier {
  if ("setNoDelay" in conn) conn.setNoDelay(true);
  if (keepalive === undefined || !("setKeepAlive" in conn)) return "heartbeat";
  conn.setKeepAlive(true);
  return "on";
}

/**
 * Opens a channel over the sockets of Deno.
 *
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
  const tls = options.tls === undefined ? null : UNKNOWN_TLS;
  const ends = { localPort: portOf(conn.localAddr), remotePort: portOf(conn.remoteAddr) };
  const times = endpoint.path !== undefined ? undefined : options.keepalive;
  const keepalive = applyKeepalive(ends, times, tier);
  return new DenoChannel(conn, keepalive, tls);
}
