import { parseAddress } from "../../core/address.ts";
import type { Attributes } from "./api.ts";
import { ATTRIBUTE } from "./conventions.ts";

/**
 * The attributes that say where a server is.
 *
 * @param endpoint The endpoint in words: `host:6379`, `[::1]:6379` or `unix:/path`.
 * @returns Address, and port unless it is a Unix socket.
 */
export function serverAttributes(endpoint: string): Attributes {
  const address = parseAddress(endpoint);
  if (address.path !== undefined) return { [ATTRIBUTE.serverAddress]: address.path };
  return {
    [ATTRIBUTE.serverAddress]: address.host,
    [ATTRIBUTE.serverPort]: address.port,
  };
}
