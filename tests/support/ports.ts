/**
 * Free ports for servers that tests start.
 *
 * @module
 */

// Below the ephemeral range of Linux (32768 up) and macOS (49152 up), for two reasons: no
// outgoing connection of anybody takes the port while its server is down, and a client that
// reconnects to a closed port cannot connect to itself (TCP's simultaneous open), which
// would look like a server that answers with an echo.
const LOWEST = 12_000;
const HIGHEST = 22_000;

/** The distance from a cluster node's port to its bus port. */
export const CLUSTER_BUS_OFFSET = 10_000;

/** Whether nothing listens on `port` of `hostname`. */
export function isPortFree(port: number, hostname = "127.0.0.1"): boolean {
  try {
    Deno.listen({ hostname, port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/**
 * A port on which nothing listens now, and which nobody who asks here is given soon again:
 * its server can be stopped and started while other tests run. Somebody else may take it
 * before it is used: whoever starts a server on it tries again with another when the server
 * says so.
 *
 * @param offsets Further ports, as distances from the first, that must be free too.
 * @throws {Error} If 1000 ports in a row were all taken.
 *
 * @example
 * ```ts
 * const port = freePort([CLUSTER_BUS_OFFSET]); // port and port + 10000 are free
 * ```
 */
export function freePort(offsets: readonly number[] = []): number {
  for (let tries = 0; tries < 1000; tries++) {
    const port = nextPort();
    if ([0, ...offsets].every((offset) => isPortFree(port + offset))) return port;
  }
  throw new Error(`Cannot find a free port between ${LOWEST} and ${HIGHEST}`);
}

/** The next port of all, for every process and thread of this machine that tests. */
function nextPort(): number {
  const folder = Deno.env.get("TMPDIR")?.replace(/\/+$/, "") || "/tmp";
  const path = `${folder}/mooring-last-port-${Deno.uid()}`;
  using file = Deno.openSync(path, { read: true, write: true, create: true });
  file.lockSync(true);
  const bytes = new Uint8Array(8);
  const last = Number(
    new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0)),
  );
  const next = last >= LOWEST && last < HIGHEST ? last + 1 : LOWEST;
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(String(next)));
  return next;
}
