import type { Endpoint } from "../transport/channel.ts";

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
export function standaloneEndpoint(address: StandaloneAddress): Endpoint {
  return address.unixSocket === undefined
    ? { kind: "tcp", host: address.host, port: address.port }
    : { kind: "unix", path: address.unixSocket };
}
