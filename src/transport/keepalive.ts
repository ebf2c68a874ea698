import type { KeepaliveTier, KernelKeepalive } from "../core/address.ts";
import type { KeepaliveTimes } from "./channel.ts";
import { setKernelKeepalive, type SocketEnds } from "./keepalive_ffi.ts";

/** What of a node:net socket is needed here. */
export interface KeepaliveSocket extends SocketEnds {
  setKeepAlive(enable: boolean, initialDelayMs: number): unknown;
}

/** What keepalive a socket got, and what the kernel says of it if it could be asked. */
export interface AppliedKeepalive {
  /** What it got. */
  readonly tier: KeepaliveTier;
  /** The kernel's values; `null` where it could not be asked. */
  readonly kernel: KernelKeepalive | null;
}

/** Deno version from which node:net surely sets SO_KEEPALIVE and the idle time: 2.8.0
 * was seen not to, 2.8.3 and later to do so. */
const NODE_NET_SINCE = [2, 8, 3] as const;

/**
 * Whether this runtime's node:net sets SO_KEEPALIVE: earlier ones took the call and
 * did nothing.
 *
 * @param version Version of Deno, such as `2.9.6`.
 * @returns `true` if `socket.setKeepAlive` works.
 */
export function nodeNetSetsKeepalive(version: string): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part));
  const differs = NODE_NET_SINCE.findIndex((since, i) => parts[i] !== since);
  return differs === -1 || parts[differs]! > NODE_NET_SINCE[differs]!;
}

/**
 * Sets TCP keepalive as far as runtime and permissions allow: all three times by
 * `setsockopt` where `--allow-ffi` is granted on Linux, else the runtime's own call.
 *
 * @param socket The socket.
 * @param times The times to set.
 * @returns What the socket got.
 */
export function applyKeepalive(
  socket: KeepaliveSocket,
  times: KeepaliveTimes,
): AppliedKeepalive {
  socket.setKeepAlive(true, times.idleMs);
  const kernel = setKernelKeepalive(socket, times);
  if (kernel !== null) return { tier: "full", kernel };
  const tier = nodeNetSetsKeepalive(Deno.version.deno) ? "idle" : "heartbeat";
  return { tier, kernel };
}
