/**
 * Ending a TCP connection with RST instead of FIN.
 *
 * @module
 */

import type { Socket } from "node:net";

/** Ends the connection so that the peer sees ECONNRESET: closed with SO_LINGER 0. */
export function resetSocket(socket: Socket): void {
  if (!socket.destroyed) socket.resetAndDestroy();
}
