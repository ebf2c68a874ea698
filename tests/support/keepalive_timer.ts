/**
 * The kernel's own word on the keepalive timer of any socket of this machine, without a
 * program that has to be installed first.
 *
 * @module
 */

/** In `/proc/net/tcp`: the connection is open. */
const ESTABLISHED = "01";
/** In `/proc/net/tcp`: the timer that runs is that of keepalive. */
const KEEPALIVE = "02";
/** Clock ticks a second, as the kernel counts them for programs. */
const TICKS = 100;

/**
 * How long the kernel waits until it sends the next keepalive probe on a socket.
 *
 * @param localPort The socket's own port, on an IPv4 address.
 * @returns Seconds, or `undefined` if no keepalive timer runs.
 * @throws {Error} If there is no such socket.
 */
export async function keepaliveSecondsLeft(
  localPort: number,
): Promise<number | undefined> {
  const port = localPort.toString(16).toUpperCase().padStart(4, "0");
  const lines = (await Deno.readTextFile("/proc/net/tcp")).split("\n").slice(1);
  for (const line of lines) {
    // sl, local address, remote address, state, queues, timer:when …
    const [, local, , state, , timer] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || !local?.endsWith(`:${port}`)) continue;
    const [kind, when] = timer!.split(":");
    return kind === KEEPALIVE ? parseInt(when!, 16) / TICKS : undefined;
  }
  throw new Error(`No socket has the port ${localPort}`);
}
