import { isAllowed, text } from "../config/kinds.ts";
import type { HostResolver, NodeAddress, RedisConfig } from "../config/settings.ts";
import type { ConnectorOptions } from "../connection/connector.ts";
import { type Address, formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { SentinelDiscovery } from "../sentinel/discovery.ts";

/** Where the connections to a server lead to. */
export interface ServerLocation extends Pick<ConnectorOptions, "resolve" | "confirm"> {
  /** What is connected to, for messages, before an address is known. */
  readonly where: string;
  /** The endpoint as far as it is known, for messages. */
  readonly current: () => string;
  /** A server says that the primary is another one. */
  readonly redirected?: (to: Address) => void;
  /** A server may have been replaced as the primary: finds out. */
  readonly suspect?: () => void;
  /** Lists the replicas of the primary; absent where nobody tells of them. */
  readonly replicas?: () => Promise<readonly NodeAddress[]>;
  /** Closes the connections that it opened, for good. */
  readonly close?: () => void;
}

/**
 * Locates the server of a database: at its address, or where its sentinels say. Connects to
 * nothing until {@linkcode ServerLocation.resolve} is called first.
 *
 * @param moved Called when another server has become the primary.
 */
export function locate(
  config: RedisConfig,
  clock: Clock,
  moved: (from: string, to: string) => void,
): ServerLocation {
  return config.mode === "sentinel"
    ? new SentinelDiscovery(config, clock, moved)
    : new StandaloneLocation(config, moved);
}

/** The location of a node of a cluster, or of a replica: it never changes. */
export function locateNode(
  address: NodeAddress,
  confirm?: ServerLocation["confirm"],
): ServerLocation {
  const endpoint: Address = address;
  const where = formatAddress(endpoint);
  const resolve = () => Promise.resolve(endpoint);
  return { where, current: () => where, resolve, ...(confirm && { confirm }) };
}

/** How often a primary that was named by a redirect is tried first without being reached. */
const MAX_UNREACHED = 8;

/** The configured address, or where a redirect says that the primary is. */
class StandaloneLocation implements ServerLocation {
  readonly where: string;
  readonly #config: RedisConfig;
  readonly #moved: (from: string, to: string) => void;
  /** The primary after a failover, if there was one. */
  #primary: Address | undefined;
  /** How often it was resolved without being reached since. */
  #unreached = 0;

  constructor(config: RedisConfig, moved: (from: string, to: string) => void) {
    this.#config = config;
    this.#moved = moved;
    this.where = formatAddress(standaloneEndpoint(config));
  }

  readonly current = (): string =>
    this.#primary === undefined ? this.where : formatAddress(this.#primary);

  readonly resolve = async (signal: AbortSignal): Promise<Address[]> => {
    const { host, port, resolve, unixSocket } = this.#config;
    const configured = resolve === undefined || unixSocket !== undefined
      ? [standaloneEndpoint(this.#config)]
      : await resolveHost(resolve, host, port, signal);
    if (this.#primary === undefined) return configured;
    // One that is gone for good must not take the time of every attempt.
    return ++this.#unreached > MAX_UNREACHED
      ? [...configured, this.#primary]
      : [this.#primary, ...configured];
  };

  readonly confirm = (endpoint: Address): Promise<void> => {
    if (formatAddress(endpoint) === this.current()) this.#unreached = 0;
    return Promise.resolve();
  };

  redirected(to: Address): void {
    const from = this.current();
    this.#unreached = 0;
    if (formatAddress(to) === from) return;
    const { tls, host } = this.#config;
    // The certificate is for the name that is configured.
    this.#primary = tls.enabled && to.path === undefined
      ? { serverName: host, ...to }
      : to;
    this.#moved(from, this.current());
  }
}

/** The endpoint of a single server: the Unix socket if there is one, else host and port. */
export function standaloneEndpoint(
  { host, port, unixSocket }: Pick<RedisConfig, "host" | "port" | "unixSocket">,
): Address {
  return unixSocket === undefined ? { host, port } : { path: unixSocket };
}

/** What a server that has become a replica replies to a client that asked for it (Valkey
 * 8). */
const REDIRECT = /^REDIRECT (\S+):(\d{1,5})$/;

/** Reads the primary out of the error reply of a replica; `undefined` if it is another
 * error. */
export function readPrimaryRedirect(message: string): Address | undefined {
  const [, host = "", text] = REDIRECT.exec(message) ?? [];
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

const ADDRESS = text("host", 253);

/**
 * Calls the user's resolver; certificates are still expected to carry the host's name.
 *
 * @throws {Error} If it failed, or returned no address.
 */
async function resolveHost(
  resolver: HostResolver,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Address[]> {
  let found: unknown;
  try {
    found = await resolver(host, signal);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const { code } = error as { code?: string };
    const isUnknown = code === "ENOTFOUND" || error instanceof Deno.errors.NotFound;
    const message = `the resolver could not find "${host}": ${reason}`;
    throw isUnknown ? unknownHost(message) : new Error(message);
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
    return { host: address, port, ...named };
  });
}

/** Has the same code as the system's own resolver gives for an unknown name. */
function unknownHost(message: string): Error {
  return Object.assign(new Error(message), { code: "ENOTFOUND" });
}
