import type { Address } from "../core/address.ts";

/** What a server that has become a replica answers to who asked for it (Valkey 8). */
const REDIRECT = /^REDIRECT (\S+):(\d{1,5})$/;

/**
 * Reads where a server that is a replica now says that the primary is.
 *
 * @param message The error reply, without the leading `-`.
 * @returns The endpoint; `undefined` if it is another error.
 *
 * @example Usage
 * ```ts
 * import { readPrimaryRedirect } from "./standalone.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readPrimaryRedirect("REDIRECT 10.0.0.7:6380"), {
 *   *   host: "10.0.0.7",
 *   port: 6380,
 * });
 * ```
 */
export function readPrimaryRedirect(message: string): Address | undefined {
  const [, host = "", text] = REDIRECT.exec(message) ?? [];
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** The settings that say where a single server is. */
export interface StandaloneAddress {
  /** Host name or address. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Path of a Unix socket, in place of host and port. */
  readonly unixSocket?: string;
}

/**
 * Where a single server is: the Unix socket if there is one, else host and port. Names
 * are left to the runtime, which resolves them for each connection anew.
 *
 * @param address The settings.
 * @returns The endpoint.
 */
export function standaloneEndpoint(address: StandaloneAddress): Address {
  return address.unixSocket === undefined
    ? { host: address.host, port: address.port }
    : { path: address.unixSocket };
}
