import type { Attributes } from "./api.ts";
import { ATTRIBUTE } from "./conventions.ts";

/**
 * The attributes that say where a server is.
 *
 * @param endpoint The endpoint in words: `host:6379`, `[::1]:6379` or `unix:/path`.
 * @returns Address, and port unless it is a Unix socket.
 */
export function serverAttributes(endpoint: string): Attributes {
  if (endpoint.startsWith("unix:")) {
    return { [ATTRIBUTE.serverAddress]: endpoint.slice("unix:".length) };
  }
  const colon = endpoint.lastIndexOf(":");
  const host = endpoint.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return {
    [ATTRIBUTE.serverAddress]: host,
    [ATTRIBUTE.serverPort]: Number(endpoint.slice(colon + 1)),
  };
}
