/** How much of TCP keepalive a socket got. */
export type KeepaliveTier =
  /** Idle time, interval and count are the configured ones. */
  | "full"
  /** The idle time is the configured one, interval and count are the kernel's. */
  | "idle"
  /** Keepalive is on with the kernel's times. */
  | "on"
  /** No keepalive: the heartbeat alone notices a dead peer. */
  | "heartbeat";

/** TCP keepalive of one socket, as the kernel has it. */
export interface KernelKeepalive {
  /** Whether it is on: `SO_KEEPALIVE`. */
  readonly isOn: boolean;
  /** Seconds of silence before the first probe: `TCP_KEEPIDLE`. */
  readonly idleSeconds: number;
  /** Seconds between probes: `TCP_KEEPINTVL`. */
  readonly intervalSeconds: number;
  /** Unanswered probes after which the socket is dead: `TCP_KEEPCNT`. */
  readonly count: number;
}

/** What TLS agreed on for one socket; `null` where the runtime does not tell. */
export interface TlsSession {
  /** Version of the protocol, such as `TLSv1.3`. */
  readonly protocol: string | null;
  /** The cipher suite, such as `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string | null;
  /** When the server's certificate expires, as an ISO 8601 date. */
  readonly expiresAt: string | null;
}
