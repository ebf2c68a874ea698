import type {
  Address,
  KeepaliveTier,
  KernelKeepalive,
  TlsSession,
} from "../core/address.ts";
import type { TlsMaterial } from "./tls.ts";

/** What a channel tells its owner. Each is called from the event loop, never from
 * within a call to the channel. */
export interface ChannelHandlers {
  /** Bytes came. */
  data(chunk: Uint8Array): void;
  /** The channel ended; called exactly once. */
  close(error: Error | undefined): void;
}

/** One open byte stream to a server: what the two kinds of sockets have in common. */
export interface ByteChannel {
  /** Whether the bytes of a chunk are there only until `data()` returns. Default `false`. */
  readonly lendsChunks?: boolean;
  /** What keepalive the socket got. */
  readonly keepalive: KeepaliveTier;
  /** What the kernel says of it since it was opened; `null` where it could not be asked. */
  readonly kernelKeepalive: KernelKeepalive | null;
  /** What TLS agreed on; `null` without TLS. */
  readonly tls: TlsSession | null;
  /** Bytes taken by {@linkcode ByteChannel.write} that the kernel has not. */
  readonly bufferedBytes: number;
  /** Bytes handed to the kernel; where the runtime counts them, also those that wait. */
  readonly bytesWritten: number;
  /** Port of this end; 0 for a Unix socket. */
  readonly localPort: number;
  /** Begins to deliver; called once, before anything else. */
  start(handlers: ChannelHandlers): void;
  /** Sends; text goes as UTF-8. */
  write(data: string | Uint8Array): void;
  /** Sends what is buffered, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** What the opening of a channel needs to know. */
export interface ChannelOptions {
  /** TLS, if it is to be spoken. */
  readonly tls?: TlsMaterial;
  /** TCP keepalive, if it is to be set. */
  readonly keepalive?: KeepaliveTimes;
  /** Aborts the opening. */
  readonly signal: AbortSignal;
}

/** TCP keepalive's times. */
export interface KeepaliveTimes {
  /** Milliseconds of silence before the first probe. */
  readonly idleMs: number;
  /** Milliseconds between probes. */
  readonly intervalMs: number;
  /** Unanswered probes before the socket is dead. */
  readonly count: number;
}

/** Opens a channel: resolves when TCP, and TLS if asked for, is established. */
export type OpenChannel = (
  endpoint: Address,
  options: ChannelOptions,
) => Promise<ByteChannel>;
