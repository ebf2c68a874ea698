/**
 * Ending a TCP connection with RST instead of FIN.
 *
 * @module
 */

import type { Socket } from "node:net";

// A sockaddr of family AF_UNSPEC: 16 zero bytes on Linux.
const UNSPECIFIED = new Uint8Array(16);
const HIGHEST_DESCRIPTOR = 4096;

const SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
} as const;

/**
 * Ends the connection so that the peer sees ECONNRESET.
 *
 * Deno's `resetAndDestroy()` closes with SO_LINGER 0, and the kernel sends RST. Deno 2.5 has
 * no such method, and shuts a socket down before it closes it, so that SO_LINGER set from
 * outside comes too late: the peer sees an orderly end. There the kernel is asked to
 * dissolve the connection, which is what connect(2) to AF_UNSPEC does, at once.
 *
 * @throws {Error} On Deno 2.5 elsewhere than on Linux, or without `--allow-ffi`.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  if (typeof socket.resetAndDestroy === "function") {
    socket.resetAndDestroy();
    return;
  }
  dissolve(socket);
  socket.destroy();
}

function dissolve(socket: Socket): void {
  if (Deno.build.os !== "linux") {
    throw new Error(`Cannot send RST: Deno ${Deno.version.deno} can do it on Linux only`);
  }
  const { localPort, remotePort } = socket;
  if (localPort === undefined || remotePort === undefined) return; // gone already
  const libc = Deno.dlopen("libc.so.6", SYMBOLS);
  try {
    const { getsockname, getpeername, connect } = libc.symbols;
    for (let descriptor = 3; descriptor < HIGHEST_DESCRIPTOR; descriptor++) {
      if (portOf(getsockname, descriptor) !== localPort) continue;
      if (portOf(getpeername, descriptor) !== remotePort) continue;
      if (connect(descriptor, UNSPECIFIED, UNSPECIFIED.length) === 0) return;
    }
  } finally {
    libc.close();
  }
  throw new Error(`Cannot find the descriptor of the socket from port ${remotePort}`);
}

function portOf(
  ask: (fd: number, address: BufferSource, length: BufferSource) => number,
  descriptor: number,
): number | undefined {
  const address = new Uint8Array(128);
  const length = new Uint32Array([address.length]);
  if (ask(descriptor, address, length) !== 0) return undefined;
  return new DataView(address.buffer).getUint16(2); // network order, IPv4 and IPv6 alike
}
