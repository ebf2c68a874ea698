import { isAllowed, text } from "../config/kinds.ts";
import type { HostResolver } from "../config/settings.ts";
import type { Endpoint } from "../transport/channel.ts";

const ADDRESS = text("host", 253);

/**
 * Asks a user's resolver where a host is.
 *
 * @param resolver The resolver.
 * @param host The host, as it is configured.
 * @param port The port at each address.
 * @param signal Aborted when the answer is not wanted any more.
 * @returns Its addresses, in its order; certificates are still expected for the host.
 * @throws {Error} If it failed, or gave no address.
 */
export async function resolveHost(
  resolver: HostResolver,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Endpoint[]> {
  let found: unknown;
  try {
    found = await resolver(host, signal);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const { code } = error as { code?: string };
    const isUnknown = code === "ENOTFOUND" || error instanceof Deno.errors.NotFound;
    const text = `the resolver could not find "${host}": ${reason}`;
    throw isUnknown ? unknownHost(text) : new Error(text);
  }
  const addresses: unknown[] = Array.isArray(found) ? [...new Set(found)] : [found];
  if (addresses.length === 0) throw unknownHost(`the resolver knows no "${host}"`);
  return addresses.map((address) => {
    if (typeof address !== "string" || !isAllowed(ADDRESS, address)) {
      throw new Error(
        `the resolver gave for "${host}" what is no address: found ` +
          (typeof address === "string" ? JSON.stringify(address) : typeof address),
      );
    }
    const named = address === host ? {} : { serverName: host };
    return { kind: "tcp", host: address, port, ...named };
  });
}

/** The same code as the system's own resolver gives a name that it does not know. */
function unknownHost(message: string): Error {
  return Object.assign(new Error(message), { code: "ENOTFOUND" });
}
