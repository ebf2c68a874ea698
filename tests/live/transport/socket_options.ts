/**
 * The kernel's own word on a socket of this process, by `getsockopt`.
 *
 * @module
 */

/** What the kernel says. */
export interface SocketOptions {
  /** SO_KEEPALIVE. */
  keepalive: boolean;
  /** TCP_KEEPIDLE, in seconds. */
  idle: number;
  /** TCP_KEEPINTVL, in seconds. */
  interval: number;
  /** TCP_KEEPCNT. */
  count: number;
  /** TCP_NODELAY. */
  noDelay: boolean;
}

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;

/**
 * Asks the kernel about the socket whose own port is `localPort`.
 *
 * @throws {Error} If this process has no such socket.
 */
export function readSocketOptions(localPort: number): SocketOptions {
  const libc = Deno.dlopen("libc.so.6", {
    getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  try {
    const { getsockname, getsockopt } = libc.symbols;
    const portOf = (fd: number) => {
      const address = new Uint8Array(32);
      const failed = getsockname(fd, address, new Uint32Array([32])) !== 0;
      return failed ? -1 : new DataView(address.buffer).getUint16(2);
    };
    const fd = Array.from({ length: 1024 }, (_, fd) => fd).find((fd) =>
      portOf(fd) === localPort
    );
    if (fd === undefined) throw new Error(`No socket has the port ${localPort}`);
    const get = (level: number, option: number) => {
      const value = new Int32Array(1);
      if (getsockopt(fd, level, option, value, new Uint32Array([4])) !== 0) {
        throw new Error(`getsockopt(${level}, ${option}) failed`);
      }
      return value[0]!;
    };
    return {
      keepalive: get(SOL_SOCKET, SO_KEEPALIVE) !== 0,
      idle: get(IPPROTO_TCP, TCP_KEEPIDLE),
      interval: get(IPPROTO_TCP, TCP_KEEPINTVL),
      count: get(IPPROTO_TCP, TCP_KEEPCNT),
      noDelay: get(IPPROTO_TCP, TCP_NODELAY) !== 0,
    };
  } finally {
    libc.close();
  }
}
