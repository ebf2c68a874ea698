import type { KeepaliveTier, KernelKeepalive } from "../core/address.ts";
import type { KeepaliveTimes } from "./channel.ts";

/**
 * TCP keepalive by `setsockopt`, for what the runtime cannot set: the interval and the
 * count. Linux only, and only where `--allow-ffi` is granted already; nothing asks.
 *
 * The runtime does not tell a socket's descriptor, so it is found by its ports: the
 * process's descriptors are asked with `getsockname` and `getpeername`.
 *
 * Constants: linux/in.h, asm-generic/socket.h, linux/tcp.h.
 */

const SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
} as const;

/** The ports of a socket's two ends; absent where it has none. */
interface SocketEnds {
  /** Port of this end. */
  readonly localPort?: number;
  /** Port of the other end. */
  readonly remotePort?: number;
}

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;
type Libc = Library["symbols"];

const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const IPPROTO_TCP = 6;
/** Levels and names: SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT. */
const OPTIONS = [[SOL_SOCKET, 9], [IPPROTO_TCP, 4], [IPPROTO_TCP, 5], [
  IPPROTO_TCP,
  6,
]] as const;
/** Room for a sockaddr_in6, 28 bytes. */
const SOCKADDR_ROOM = 32;
/** Descriptors that are tried; a process with more gets the runtime's keepalive only. */
const MAX_DESCRIPTOR = 4096;
/** Closed descriptors in a row after which the rest is taken to be closed too. */
const MAX_GAP = 512;

/**
 * The C library, while there is somebody who opens sockets again and again. Opening it takes
 * most of a millisecond, and V8 keeps 600 bytes of it each time, for the first thousand times.
 */
let library: Library | undefined;
/** How many keep it open. */
let keepers = 0;

/** Opens the C library; `undefined` where it is not permitted or does not exist. */
function openLibc(): Library | undefined {
  try {
    return Deno.build.os === "linux" &&
        Deno.permissions.querySync({ name: "ffi" }).state === "granted"
      ? Deno.dlopen("libc.so.6", SYMBOLS)
      : undefined;
  } catch {
    // No glibc under that name, or no FFI on this platform: the lower tiers serve.
    return undefined;
  }
}

/** Port of a sockaddr, or -1 if it is none of the internet's. */
function portOf(address: Uint8Array<ArrayBuffer>): number {
  const view = new DataView(address.buffer);
  const family = view.getUint16(0, true);
  return family === AF_INET || family === AF_INET6 ? view.getUint16(2) : -1;
}

function findDescriptor(lib: Libc, localPort: number, remotePort: number): number {
  const address = new Uint8Array(SOCKADDR_ROOM);
  const length = new Uint32Array(1);
  const ask = (call: Libc["getsockname"], fd: number) => {
    length[0] = SOCKADDR_ROOM;
    return call(fd, address, length) === 0;
  };
  for (let fd = 3, gap = 0; fd < MAX_DESCRIPTOR && gap < MAX_GAP; fd++) {
    if (!ask(lib.getsockname, fd)) {
      gap++;
      continue;
    }
    gap = 0;
    if (portOf(address) !== localPort) continue;
    if (ask(lib.getpeername, fd) && portOf(address) === remotePort) return fd;
  }
  return -1;
}

/**
 * Sets keepalive of the socket of this process that has the given ports, and reads the
 * values back from the kernel.
 *
 * @param times The times; the kernel takes whole seconds, at least 1.
 * @returns The kernel's values if all four were set, else `null`.
 */
function setKernelKeepalive(
  ends: SocketEnds,
  times: KeepaliveTimes,
): KernelKeepalive | null {
  library ??= openLibc();
  if (library === undefined) return null;
  try {
    return setByPorts(library.symbols, ends, times);
  } finally {
    closeUnused();
  }
}

/**
 * Keeps the C library open from its first use on, which would otherwise be opened for each
 * socket.
 *
 * @returns Ends that; to be called once.
 */
export function keepLibrary(): () => void {
  keepers++;
  return () => {
    keepers--;
    closeUnused();
  };
}

function closeUnused(): void {
  if (keepers > 0) return;
  library?.close();
  library = undefined;
}

function setByPorts(
  lib: Libc,
  { localPort, remotePort }: SocketEnds,
  times: KeepaliveTimes,
): KernelKeepalive | null {
  if (localPort === undefined || remotePort === undefined) return null;
  const fd = findDescriptor(lib, localPort, remotePort);
  const seconds = (ms: number) => Math.max(1, Math.round(ms / 1000));
  const wanted = [1, seconds(times.idleMs), seconds(times.intervalMs), times.count];
  const areSet = fd >= 0 &&
    OPTIONS.every(([level, option], i) =>
      lib.setsockopt(fd, level, option, new Int32Array([wanted[i]!]), 4) === 0
    );
  return areSet ? readTimes(lib, fd) : null;
}

function readTimes(lib: Libc, fd: number): KernelKeepalive | null {
  const value = new Int32Array(1);
  const length = new Uint32Array(1);
  const found: number[] = [];
  for (const [level, option] of OPTIONS) {
    length[0] = value.byteLength;
    if (lib.getsockopt(fd, level, option, value, length) !== 0) return null;
    found.push(value[0]!);
  }
  const [isOn, idleSeconds, intervalSeconds, count] = found as [
    number,
    number,
    number,
    number,
  ];
  return Object.freeze({ isOn: isOn !== 0, idleSeconds, intervalSeconds, count });
}

/** Keepalive of a socket, and the values read back from the kernel. */
export interface AppliedKeepalive {
  readonly tier: KeepaliveTier;
  /** The kernel's values; `null` where they could not be read. */
  readonly kernel: KernelKeepalive | null;
}

/** Deno version from which node:net sets SO_KEEPALIVE and the idle time: 2.8.0 was seen not
 * to, 2.8.3 and later to do so. */
const NODE_NET_SINCE = [2, 8, 3] as const;

/** Whether `socket.setKeepAlive` of a Deno version such as `2.9.6` works: earlier ones
 * accepted the call and did nothing. */
export function nodeNetSetsKeepalive(version: string): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part));
  const differs = NODE_NET_SINCE.findIndex((since, i) => parts[i] !== since);
  return differs === -1 || parts[differs]! > NODE_NET_SINCE[differs]!;
}

/**
 * Sets the three times of TCP keepalive by `setsockopt` where `--allow-ffi` is granted on
 * Linux.
 *
 * @param times The times; `undefined` for no keepalive.
 * @param fallback What the runtime's own call has set.
 */
export function applyKeepalive(
  ends: SocketEnds,
  times: KeepaliveTimes | undefined,
  fallback: KeepaliveTier,
): AppliedKeepalive {
  const kernel = times === undefined ? null : setKernelKeepalive(ends, times);
  return { tier: kernel === null ? fallback : "full", kernel };
}
