import type { KernelKeepalive } from "../core/address.ts";
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
export interface SocketEnds {
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
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
/** Room for a sockaddr_in6, 28 bytes. */
const SOCKADDR_ROOM = 32;
/** Descriptors looked at; a process with more gets the runtime's keepalive only. */
const MAX_DESCRIPTOR = 4096;
/** Closed descriptors in a row after which the rest is taken to be closed too. */
const MAX_GAP = 512;

/**
 * The C library, while somebody uses it: a socket that it has set is open, or one that was
 * will be opened again. To open it takes most of a millisecond, and the engine keeps what it
 * makes of a library's functions, for the first thousand of them: 600 bytes each.
 */
let library: Library | undefined;
/** Sockets that were set and have not closed, and who keeps it beside them. */
let users = 0;

/** Opens the C library; `undefined` where that is not granted or not there. */
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
 * Sets SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT of the socket of this
 * process that has the given ports, and asks the kernel what they are then.
 *
 * @param ends Its two ends; looked at only where the kernel can be asked.
 * @param times The times; the kernel takes whole seconds, at least 1.
 * @returns What the kernel says when all four were set, else `null`. Unless it is `null`,
 * {@linkcode kernelKeepaliveEnded} has to be told when the socket has closed.
 */
export function setKernelKeepalive(
  ends: SocketEnds,
  times: KeepaliveTimes,
): KernelKeepalive | null {
  library ??= openLibc();
  if (library === undefined) return null;
  try {
    const kernel = setByPorts(library.symbols, ends, times);
    if (kernel !== null) users++;
    return kernel;
  } finally {
    closeUnused();
  }
}

/** A socket that was set has closed; to be told once of each. */
export function kernelKeepaliveEnded(): void {
  users--;
  closeUnused();
}

/**
 * Keeps the C library open when no socket is, for who opens sockets again and again: when
 * all connections are cut, it would be closed, and opened for the next one.
 *
 * @returns Ends it; to be called once.
 */
export function keepLibrary(): () => void {
  users++;
  return kernelKeepaliveEnded;
}

function closeUnused(): void {
  if (users > 0) return;
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
  return fd >= 0 && setTimes(lib, fd, times) ? readTimes(lib, fd) : null;
}

function setTimes(lib: Libc, fd: number, times: KeepaliveTimes): boolean {
  const seconds = (ms: number) => Math.max(1, Math.round(ms / 1000));
  const set = (level: number, option: number, value: number) =>
    lib.setsockopt(fd, level, option, new Int32Array([value]), 4) === 0;
  return set(SOL_SOCKET, SO_KEEPALIVE, 1) &&
    set(IPPROTO_TCP, TCP_KEEPIDLE, seconds(times.idleMs)) &&
    set(IPPROTO_TCP, TCP_KEEPINTVL, seconds(times.intervalMs)) &&
    set(IPPROTO_TCP, TCP_KEEPCNT, times.count);
}

function readTimes(lib: Libc, fd: number): KernelKeepalive | null {
  const value = new Int32Array(1);
  const length = new Uint32Array(1);
  let hasFailed = false;
  const get = (level: number, option: number) => {
    length[0] = value.byteLength;
    hasFailed ||= lib.getsockopt(fd, level, option, value, length) !== 0;
    return value[0]!;
  };
  const read = {
    isOn: get(SOL_SOCKET, SO_KEEPALIVE) !== 0,
    idleSeconds: get(IPPROTO_TCP, TCP_KEEPIDLE),
    intervalSeconds: get(IPPROTO_TCP, TCP_KEEPINTVL),
    count: get(IPPROTO_TCP, TCP_KEEPCNT),
  };
  return hasFailed ? null : Object.freeze(read);
}
