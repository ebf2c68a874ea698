/**
 * Free ports for servers.
 *
 * @module
 */

// Below the ephemeral ranges of Linux (from 32768) and macOS (from 49152), for two reasons:
// no outgoing connection takes the port while its server is down; and a client that
// reconnects to a closed port cannot connect to itself (TCP's simultaneous open), which looks
// like a server that echoes.
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
 * A port on which nothing listens, and which is not returned again for thousands of calls, in
 * any process of this user: its server can be stopped and started meanwhile. Another program
 * may take it before it is used; then try again.
 *
 * @param offsets Further ports, as distances from the first, that must be free too.
 * @throws {Error} If 1,000 ports in a row are taken.
 *
 * @example Usage
 * ```ts ignore
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

/** The next port, counted in a file that all processes and threads of this user share. */
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
