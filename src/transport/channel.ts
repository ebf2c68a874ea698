import type { KeepaliveTier, KernelKeepalive, TlsSession } from "../core/sockets.ts";

/** A TCP endpoint or a Unix socket. */
export type Endpoint =
  | {
    readonly kind: "tcp";
    /** Host name or address. */
    readonly host: string;
    /** TCP port. */
    readonly port: number;
    /** Name that `host` is an address of, if it was looked up: certificates carry it. */
    readonly serverName?: string;
  }
  | { readonly kind: "unix"; readonly path: string };

/**
 * Formats an endpoint: `127.0.0.1:6379`, `[::1]:6379` or `unix:/run/redis.sock`.
 */
export function describeEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === "unix") return `unix:${endpoint.path}`;
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return `${host}:${endpoint.port}`;
}

/** Callbacks of a channel. They are called from the event loop, never from within a call
 * to the channel. */
export interface ChannelHandlers {
  /** Bytes were received. */
  data(chunk: Uint8Array): void;
  /** The channel ended; called exactly once. */
  close(error: Error | undefined): void;
}

/** An open byte stream to a server, over `node:net` or over sockets of Deno. */
export interface ByteChannel {
  /** Whether the memory of a chunk is reused once `data()` has returned. Default `false`. */
  readonly lendsChunks?: boolean;
  /** TCP keepalive of the socket. */
  readonly keepalive: KeepaliveTier;
  /** Keepalive as read back from the kernel; `null` where it could not be read. */
  readonly kernelKeepalive: KernelKeepalive | null;
  /** Negotiated TLS parameters; `null` without TLS. */
  readonly tls: TlsSession | null;
  /** Bytes written here that the kernel has not taken yet. */
  readonly bufferedBytes: number;
  /** Bytes given to the kernel; with `node:net` also those that are buffered. */
  readonly bytesWritten: number;
  /** Local port; 0 for a Unix socket. */
  readonly localPort: number;
  /** Starts delivery. Called once, before anything else. */
  start(handlers: ChannelHandlers): void;
  /** Sends bytes, or text as UTF-8. */
  write(data: string | Uint8Array): void;
  /** Closes after the buffered bytes were sent. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** How to open a channel. */
export interface ChannelOptions {
  /** Enables TLS. */
  readonly tls?: TlsMaterial | undefined;
  /** Enables TCP keepalive. */
  readonly keepalive?: KeepaliveTimes | undefined;
  /** Aborts the opening. */
  readonly signal: AbortSignal;
}

/** Times of TCP keepalive. */
export interface KeepaliveTimes {
  /** Milliseconds of silence before the first probe. */
  readonly idleMs: number;
  /** Milliseconds between probes. */
  readonly intervalMs: number;
  /** Unanswered probes before the socket is dead. */
  readonly count: number;
}

/** Opens a channel; resolves when TCP, and TLS if enabled, is established. */
export type OpenChannel = (
  endpoint: Endpoint,
  options: ChannelOptions,
) => Promise<ByteChannel>;

/** Content of a TLS handshake, read from files. */
export interface TlsMaterial {
  /** PEM certificates of the trusted authorities. Default: those of the system. */
  readonly ca?: string | undefined;
  /** PEM client certificate. */
  readonly cert?: string | undefined;
  /** PEM key of the client certificate. */
  readonly key?: string | undefined;
  /** Name that the server's certificate must carry. Default: the host. */
  readonly serverName?: string | undefined;
  /** Whether the server's certificate is verified. */
  readonly verify: boolean;
}

/** Paths of the files of {@linkcode TlsMaterial}. */
interface TlsFiles {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
  readonly verify: boolean;
}

/**
 * Reads TLS certificates and keys. Called for each connection, so that renewed files are
 * used.
 *
 * @param files Their paths.
 * @throws {Error} If a file cannot be read.
 */
export async function readTlsMaterial(
  files: TlsFiles,
  signal?: AbortSignal,
): Promise<TlsMaterial> {
  const { caFile, certFile, keyFile, serverName, verify } = files;
  const [ca, cert, key] = await Promise.all(
    [caFile, certFile, keyFile].map((path) => readFile(path, signal)),
  );
  return { ca, cert, key, serverName, verify };
}

async function readFile(
  path: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await Deno.readTextFile(path, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Deno.errors.NotCapable) {
      const message = `this process may not read "${path}": run it with ` +
        `--allow-read=${path}`;
      throw Object.assign(new Error(message), { code: "DENIED" });
    }
    const reason = error instanceof Deno.errors.NotFound
      ? "it does not exist"
      : error instanceof Error
      ? error.name
      : "unknown reason";
    throw new Error(`cannot read the file "${path}": ${reason}`);
  }
}
