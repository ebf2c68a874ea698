import type { RedisConfig } from "../config/mod.ts";
import type { OpenerOptions } from "../connection/opener.ts";
import { type Address, formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { resolveHost } from "../topology/resolver.ts";
import { SentinelPrimary } from "../topology/sentinel.ts";
import { standaloneEndpoint } from "../topology/standalone.ts";
import { openDenoChannel } from "../transport/deno_channel.ts";
import { openNodeChannel } from "../transport/node_channel.ts";
import { readTlsMaterial } from "../transport/tls.ts";

/** Where the connections of a database go, and who knows. */
export interface DatabaseLocation extends Pick<OpenerOptions, "resolve" | "confirm"> {
  /** What is connected to, in words, before an address is known. */
  readonly where: string;
  /** Where it is as far as is known, in words. */
  readonly current: () => string;
  /** A server says that the primary is another one. */
  readonly redirected?: (to: Address) => void;
  /** A server may have been replaced as the primary: finds out. */
  readonly suspect?: () => void;
  /** Ends what it has open, for good. */
  readonly close: () => void;
}

/**
 * Says where a database is: at its address, or where its sentinels say. Opens nothing
 * until it is first asked.
 *
 * @param config The database.
 * @param clock Time.
 * @param moved Told when the server is another one than before.
 * @returns Where it is.
 */
export function locate(
  config: RedisConfig,
  clock: Clock,
  moved: (from: string, to: string) => void,
): DatabaseLocation {
  if (config.mode === "sentinel") return locateBySentinels(config, clock, moved);
  const where = formatAddress(standaloneEndpoint(config));
  /** Where a failover has taken the primary, if it has. */
  let primary: Address | undefined;
  /** How often it was given without being reached since. */
  let unreached = 0;
  const current = () => primary === undefined ? where : formatAddress(primary);
  return {
    where,
    current,
    resolve: async (signal) => {
      const configured = [await resolveEndpoints(config, signal)].flat();
      if (primary === undefined) return configured;
      // One that is gone for good must not take the time of every attempt.
      return ++unreached > MAX_UNREACHED
        ? [...configured, primary]
        : [primary, ...configured];
    },
    confirm: (endpoint) => {
      if (formatAddress(endpoint) === current()) unreached = 0;
      return Promise.resolve();
    },
    redirected: (to) => {
      const from = current();
      unreached = 0;
      if (formatAddress(to) === from) return;
      const { tls, host } = config;
      // The certificate is for the name that is configured.
      primary = tls.enabled && to.path === undefined ? { serverName: host, ...to } : to;
      moved(from, current());
    },
    close: () => {},
  };
}

/** How often a primary that was named by a redirect is tried first without being reached. */
const MAX_UNREACHED = 8;

/** Where a database is that needs no other server to say so. */
function resolveEndpoints(
  config: RedisConfig,
  signal: AbortSignal,
): Promise<Address | Address[]> {
  const { host, port, resolve, unixSocket } = config;
  return resolve === undefined || unixSocket !== undefined
    ? Promise.resolve(standaloneEndpoint(config))
    : resolveHost(resolve, host, port, signal);
}

function locateBySentinels(
  config: RedisConfig,
  clock: Clock,
  moved: (from: string, to: string) => void,
): DatabaseLocation {
  const { connectTimeoutMs, healthCheckIntervalMs, nodes } = config;
  // The configuration's checks have seen to it that there is one.
  const name = config.sentinelName!;
  const { password, sentinelPassword, sentinelTls, sentinelUsername, tls, username } =
    config;
  const common = {
    database: config.name,
    db: 0,
    keyPrefix: "",
    silenceLimitMs: connectTimeoutMs,
    replyLimits: config.replyLimits,
    openChannel: config.transport === "deno" ? openDenoChannel : openNodeChannel,
    clock,
    // What is answered here says nothing of how the database serves.
    observer: { answered: () => {}, blockingAnswered: () => {}, troubled: () => {} },
    ...(config.socketKeepalive ? { keepalive: config.socketKeepaliveOptions } : {}),
  };
  const primary = new SentinelPrimary({
    database: config.name,
    name,
    sentinels: nodes,
    connectTimeoutMs,
    heartbeatMs: healthCheckIntervalMs,
    moved,
    clock,
    handshake: {
      ...common,
      ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      ...(sentinelTls.enabled ? { tls: () => readTlsMaterial(sentinelTls) } : {}),
    },
    serverHandshake: {
      ...common,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(tls.enabled ? { tls: () => readTlsMaterial(tls) } : {}),
    },
  });
  const sentinels = nodes.map((node) => formatAddress(node));
  const where = `sentinel ${name} at ${sentinels.join(",")}`;
  return {
    where,
    current: () => primary.primary ?? where,
    resolve: () => primary.resolve(),
    confirm: (endpoint, ask) => primary.confirm(endpoint, ask),
    redirected: () => primary.suspect(),
    suspect: () => primary.suspect(),
    close: () => primary.close(),
  };
}
