import { formatAddress, parseAddress, type TcpAddress } from "../core/address.ts";
import { integer, isAllowed, text } from "./kinds.ts";
import type { NodeAddress, NodeAddressMap } from "./settings.ts";

/** Gives the address to connect to for one that a server announced. */
export type MapAddress = (announced: NodeAddress) => TcpAddress;

const HOST = text("host", 253);
const PORT = integer(1, 65_535);

/**
 * Makes what maps the addresses that sentinels and cluster nodes announce. An address that is
 * mapped to another host keeps the announced one as its name for TLS: certificates carry it.
 *
 * The function that it makes throws an `Error` where the user's function throws, or returns
 * what is no address.
 */
export function addressMapper(map: NodeAddressMap | undefined): MapAddress {
  if (map === undefined) return (announced) => announced;
  const find = typeof map === "function"
    ? map
    : (announced: NodeAddress) => map[formatAddress(announced)];
  return (announced) => {
    const found = ask(find, announced);
    if (found === undefined) return announced;
    const { host, port } = found;
    return host === announced.host
      ? { host, port }
      : { host, port, serverName: announced.host };
  };
}

function ask(
  find: (announced: NodeAddress) => unknown,
  announced: NodeAddress,
): NodeAddress | undefined {
  const where = formatAddress(announced);
  let found: unknown;
  try {
    found = find(Object.freeze({ host: announced.host, port: announced.port }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`nodeAddressMap failed for ${where}: ${reason}`);
  }
  if (found === undefined || found === null) return undefined;
  const { host, port } = Object(typeof found === "string" ? parseAddress(found) : found);
  if (isAllowed(HOST, host) && isAllowed(PORT, port)) return { host, port };
  const what = typeof found === "string" ? JSON.stringify(found) : typeof found;
  throw new Error(
    `nodeAddressMap gave for ${where} what is no address: found ${what}, allowed: ` +
      '"host:port" or { host, port }',
  );
}
