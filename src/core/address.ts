/** A TCP address, such as that of a cluster's node or a sentinel. */
export interface TcpAddress {
  /** Host name or IP address, without brackets. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Name that `host` is an address of, if it was looked up: certificates carry it. */
  readonly serverName?: string;
  /** Absent: what has a path is a Unix socket. */
  readonly path?: undefined;
}

/** Where a server is: at a TCP address or a Unix socket. */
export type Address = TcpAddress | {
  /** Path of the Unix socket. */
  readonly path: string;
};

/**
 * An address as text: `127.0.0.1:6379`, `[::1]:6379` or `unix:/run/redis.sock`. Equal for
 * equal addresses, so that it serves as a key.
 *
 * @example Usage
 * ```ts
 * import { formatAddress, parseAddress } from "./address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatAddress({ host: "::1", port: 6379 }), "[::1]:6379");
 * assertEquals(parseAddress("[::1]:6379"), { host: "::1", port: 6379 });
 * ```
 */
export function formatAddress(address: Address): string {
  if (address.path !== undefined) return `unix:${address.path}`;
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The host of a text such as `10.0.0.7:7000` or `[::1]:7000`, without brackets. */
export function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
}

/** Reads what {@linkcode formatAddress} writes; other text has `NaN` as its port. */
export function parseAddress(text: string): Address {
  if (text.startsWith("unix:")) return { path: text.slice("unix:".length) };
  return { host: hostOf(text), port: Number(text.slice(text.lastIndexOf(":") + 1)) };
}

/** What an open socket got of keepalive and TLS. */
export interface SocketDetails {
  /**
   * How much of TCP keepalive it got. `full`: idle time, interval and count are the configured
   * ones. `idle`: the idle time is, interval and count are the kernel's. `on`: it is on with
   * the kernel's times. `heartbeat`: none, the heartbeat alone notices a dead peer.
   */
  readonly keepalive: "full" | "idle" | "on" | "heartbeat";
  /** The kernel's values of keepalive, as read after they had been set; `null`
   * where it cannot be asked: not on Linux, or without `--allow-ffi`. */
  readonly kernelKeepalive: {
    /** Whether it is on: `SO_KEEPALIVE`. */
    readonly isOn: boolean;
    /** Seconds of silence before the first probe: `TCP_KEEPIDLE`. */
    readonly idleSeconds: number;
    /** Seconds between probes: `TCP_KEEPINTVL`. */
    readonly intervalSeconds: number;
    /** Unanswered probes after which the socket is dead: `TCP_KEEPCNT`. */
    readonly count: number;
  } | null;
  /** What TLS agreed on, `null` where the runtime does not report it; `null` without TLS. */
  readonly tls: {
    /** Version of the protocol, such as `TLSv1.3`. */
    readonly protocol: string | null;
    /** The cipher suite, such as `TLS_AES_256_GCM_SHA384`. */
    readonly cipher: string | null;
    /** When the server's certificate expires, as an ISO 8601 date. */
    readonly expiresAt: string | null;
  } | null;
}

/** How much of TCP keepalive a socket got. */
export type KeepaliveTier = SocketDetails["keepalive"];
/** TCP keepalive of one socket, as the kernel has it. */
export type KernelKeepalive = NonNullable<SocketDetails["kernelKeepalive"]>;
/** What TLS agreed on for one socket. */
export type TlsSession = NonNullable<SocketDetails["tls"]>;
