import { formatAddress } from "../../core/address.ts";
import {
  DEFAULT_ORIGIN,
  type EffectiveValues,
  formatOrigin,
  type Located,
  type Origin,
} from "../layer.ts";
import { type Wording, wordingOf } from "../messages.ts";
import type { RedisConfig } from "../settings.ts";
import type { ManagerConfig, SharedDatabase } from "../types.ts";

/** Reports a problem with a setting at an origin. */
export type Refuse = (origin: Origin, key: string, message: string) => void;

/** Checks the settings of one database against each other, and gives the warnings. */
export function checkDatabase(
  config: RedisConfig,
  values: EffectiveValues,
  refuse: Refuse,
): string[] {
  for (const [key, beside, message] of contradictions(config)) {
    const origin = firstSet(values, [key, beside]);
    refuse(origin, key, message(wordingOf(origin)));
  }
  return [...mistakes(config, values)];
}

/**
 * A setting that cannot be used beside another one; if it is a default, the other one is
 * to blame.
 */
type Contradiction = [
  key: string,
  beside: string,
  message: (wording: Wording) => string,
];

function* contradictions(config: RedisConfig): Generator<Contradiction> {
  const { mode, nodes, sentinelName, unixSocket } = config;
  if (mode === "sentinel" && sentinelName === undefined) {
    const message = ({ name }: Wording) =>
      `mode sentinel needs ${name("sentinelName")}, the name of the primary`;
    yield ["sentinelName", "mode", message];
  }
  if (mode === "sentinel" && nodes.length === 0) {
    yield ["nodes", "mode", () => "mode sentinel needs nodes, the sentinels"];
  }
  if (mode !== "standalone" && unixSocket !== undefined) {
    yield ["unixSocket", "mode", () => `mode ${mode} cannot use a Unix socket`];
  }
  const { clientAz, minConnections, maxConnections, maxLanes, connectRetry, readFrom } =
    config;
  if (mode === "standalone" && readFrom === "replica") {
    const message = ({ name }: Wording) =>
      `${
        name("readFrom")
      } replica needs mode sentinel or cluster: in mode standalone no ` +
      "replica is known";
    yield ["readFrom", "mode", message];
  }
  if (readFrom === "az_affinity" && clientAz === undefined) {
    const message = ({ name }: Wording) =>
      `${name("readFrom")} az_affinity needs ${name("clientAz")}, this process' zone`;
    yield ["clientAz", "readFrom", message];
  }
  const { minMs, maxMs } = connectRetry;
  const time = (ms: number, wording: Wording) => wording.time(ms);
  for (
    const [key, value, beside, most, show] of [
      ["minConnections", minConnections, "maxConnections", maxConnections, String],
      ["maxLanes", maxLanes, "maxConnections", maxConnections, String],
      ["connectRetry.minMs", minMs, "connectRetry.maxMs", maxMs, time],
    ] as const
  ) {
    const message = (wording: Wording) =>
      `${wording.name(key)} ${show(value, wording)} is more than ` +
      `${wording.name(beside)} ${show(most, wording)}`;
    if (value > most) yield [key, beside, message];
  }
  // A client certificate is useless without its key, and the other way round.
  for (const group of ["tls", "sentinelTls"] as const) {
    const { certFile, keyFile } = config[group];
    if ((certFile === undefined) === (keyFile === undefined)) continue;
    const cert = `${group}.certFile`;
    const key = `${group}.keyFile`;
    const [given, missing] = certFile === undefined ? [key, cert] : [cert, key];
    const message = ({ name }: Wording) =>
      `${name(missing)} is missing; the two belong together`;
    yield [given, given, message];
  }
  yield* nearCacheContradictions(config);
  if (config.protocol === 2 && config.replyMapping === "resp3") {
    // RESP2 has no maps, doubles and booleans.
    const message = ({ name }: Wording) =>
      `resp3 needs ${name("protocol")} auto or 3, found 2`;
    yield ["replyMapping", "protocol", message];
  }
}

function* nearCacheContradictions(
  { nearCache: { maxEntries, prefixes }, protocol }: RedisConfig,
): Generator<Contradiction> {
  if (maxEntries > 0 && protocol === 2) {
    // RESP2 has no pushes on the connection that reads.
    const message = ({ name }: Wording) =>
      `a near cache needs ${name("protocol")} auto or 3, found 2`;
    yield ["nearCache.maxEntries", "protocol", message];
  }
  // Servers refuse these, as a key would be announced twice.
  for (const [i, one] of prefixes.entries()) {
    const other = prefixes.find((prefix, j) => i !== j && one.startsWith(prefix));
    if (other === undefined) continue;
    const message = () => `"${one}" begins with "${other}"; leave one out`;
    yield ["nearCache.prefixes", "nearCache.prefixes", message];
    return;
  }
}

/** What is allowed but probably a mistake. */
function* mistakes(config: RedisConfig, values: EffectiveValues): Generator<string> {
  const { mode, nodes, tls, unixSocket } = config;
  // The setting as the source writes it that sets it, or another one.
  const name = (key: string, setBy = key) =>
    wordingOf(firstSet(values, [setBy])).name(key);
  if (mode === "standalone" && nodes.length > 0) {
    yield "nodes have no effect in mode standalone; set mode";
  }
  if (mode !== "standalone" && config.resolve !== undefined) {
    yield `resolve has no effect in mode ${mode}`;
  }
  if (mode !== "sentinel" && config.sentinelName !== undefined) {
    yield `${name("sentinelName")} has no effect in mode ${mode}`;
  }
  if (mode === "standalone" && config.nodeAddressMap !== undefined) {
    yield `${name("nodeAddressMap")} has no effect in mode standalone`;
  }
  if (mode === "standalone" && config.readFrom !== "primary") {
    yield `${name("readFrom")} has no effect in mode standalone: reads go to the primary`;
  }
  const { healthCheckIntervalMs, idleTimeoutMs } = config;
  if (healthCheckIntervalMs > idleTimeoutMs) {
    const written = (key: string, beside: string, ms: number): string => {
      const wording = wordingOf(firstSet(values, [key, beside]));
      return `${wording.name(key)} ${wording.time(ms)}`;
    };
    const keys = ["healthCheckIntervalMs", "idleTimeoutMs"] as const;
    yield `${written(keys[0], keys[1], healthCheckIntervalMs)} is longer than ` +
      `${written(keys[1], keys[0], idleTimeoutMs)}: idle connections end before a ` +
      "heartbeat";
  }
  if (!tls.enabled) {
    if ((tls.caFile ?? tls.certFile ?? tls.serverName) !== undefined) {
      yield "tls has settings but is not enabled: nothing is encrypted";
    }
  } else if (unixSocket !== undefined) yield "tls has no effect on a Unix socket";
  else if (!tls.verify) {
    yield "tls.verify is false: the server's certificate is not verified, anybody in " +
      "between can read and change everything";
  }
  yield* sentinelMistakes(config, name);
  const hosts = mode === "standalone" ? [config.host] : nodes.map(({ host }) => host);
  const isUnix = unixSocket !== undefined && mode === "standalone";
  if (
    config.password !== undefined && !tls.enabled && !isUnix && !hosts.every(isLoopback)
  ) {
    const origin = values.get("password")?.origin;
    const from = origin === undefined ? "" : ` (${formatOrigin(origin)})`;
    yield `the password${from} goes to ${endpointOf(config)} without TLS: anybody in ` +
      "between can read it; use rediss:// or tls.enabled";
  }
}

/** Sentinels are other servers, with users and certificates of their own. */
function* sentinelMistakes(
  { mode, nodes, sentinelPassword, sentinelTls, sentinelUsername, tls }: RedisConfig,
  name: (key: string, setBy?: string) => string,
): Generator<string> {
  if (mode !== "sentinel") {
    const isSet = sentinelTls.enabled || (sentinelPassword ?? sentinelUsername);
    if (isSet) yield `what is said of sentinels has no effect in mode ${mode}`;
    return;
  }
  if (sentinelTls.enabled) {
    if (sentinelTls.verify) return;
    yield `${name("sentinelTls.verify")} is false: the sentinels' certificates are not ` +
      "verified, anybody in between can send this service to another server";
  } else if (!nodes.every(({ host }) => isLoopback(host))) {
    const enable = `enable ${name("sentinelTls", "nodes")}`;
    if (sentinelPassword !== undefined) {
      yield `the sentinels' password goes to them without TLS: ${enable}`;
    } else if (tls.enabled) {
      yield `TLS is spoken to the database and not to its sentinels: ${enable}`;
    }
  }
}

/** Where the first of these settings is set that is not a default. */
function firstSet(values: EffectiveValues, keys: readonly string[]): Origin {
  const origins = keys.flatMap((key) => values.get(key)?.origin ?? []);
  return origins.find(({ source }) => source !== "default") ?? origins[0] ??
    DEFAULT_ORIGIN;
}

/**
 * Checks that an alias is where its target is.
 *
 * @returns What is wrong, and where, if it is elsewhere.
 */
export function checkAlias(
  config: RedisConfig,
  values: EffectiveValues,
  target: RedisConfig | undefined,
): { origin: Origin; message: string } | undefined {
  const origin = values.get("aliasOf")?.origin;
  // The aliases among the 18 default names may live elsewhere.
  if (target === undefined || origin === undefined || origin.source === "default") {
    return undefined;
  }
  const [own, its] = [config, target].map((one) =>
    `number ${one.db} on ${endpointOf(one)}`
  );
  if (own === its) return undefined;
  const message = `"${target.name}" is ${its}, this is ${own}; leave out what differs`;
  return { origin, message };
}

/** A value for all databases that replaces a database's own. */
export interface Overruled {
  readonly key: string;
  readonly by: Located;
  readonly own: Located;
}

/**
 * The warnings about all databases: a warning about several is given once.
 *
 * @param declared Where each database is named.
 */
export function databaseWarnings(
  built: readonly {
    readonly config: RedisConfig;
    readonly warnings: readonly string[];
    readonly overruled: readonly Overruled[];
  }[],
  declared: ReadonlyMap<string, Origin>,
): string[] {
  const own = built.flatMap(({ config: { name }, warnings }) =>
    warnings.map((text) => ({ name, text }))
  );
  // Where a variable for all replaces the value of a file for one server.
  const overruled = built.flatMap((one) =>
    one.overruled.map(({ key, by, own }) => {
      const setting = wordingOf(own.origin).name(key);
      const text = `${formatOrigin(by.origin)} replaces the ${setting}`;
      return { name: one.config.name, text, given: formatOrigin(own.origin) };
    })
  );
  const shared = findShared(built.map(({ config }) => config));
  return [
    ...groupByText(own).map((list) => `${listNames(list)}: ${list[0]!.text}`),
    ...groupByText(overruled).map((list) =>
      `${list[0]!.text} that ${list[0]!.given} gives ${listNames(list)} alone; ` +
      "REDIS_<NAME>_URL would set one database"
    ),
    ...shared.map(({ db, endpoint, names }) => {
      const [first, second] = names;
      const { name } = wordingOf(declared.get(second!) ?? DEFAULT_ORIGIN);
      const list = listNames(names.map((name) => ({ name })));
      return `${list} share number ${db} on ${endpoint}; if that is meant, ` +
        `say ${name("aliasOf")}: ${first}`;
    }),
  ];
}

function groupByText<T extends { readonly text: string }>(list: readonly T[]): T[][] {
  return [...Map.groupBy(list, ({ text }) => text).values()];
}

/** Most names that one warning lists. */
const MAX_NAMED = 5;

function listNames(databases: readonly { readonly name: string }[]): string {
  const named = databases.slice(0, MAX_NAMED).map(({ name }) => name).join(", ");
  const more = databases.length - MAX_NAMED;
  const noun = databases.length === 1 ? "database" : "databases";
  return `${noun} ${named}${more > 0 ? ` and ${more} more` : ""}`;
}

/**
 * Where a database is, in words: equal for databases on the same server.
 *
 * @returns Text such as `localhost:6379`, `unix:/run/redis.sock`,
 * `sentinel mymaster at a:26379,b:26379` or `cluster a:7000,b:7000`.
 */
export function endpointOf(config: RedisConfig): string {
  const nodes = config.nodes.map(formatAddress).sort().join(",");
  if (config.mode === "sentinel") return `sentinel ${config.sentinelName} at ${nodes}`;
  if (config.mode === "cluster") return `cluster ${nodes}`;
  const { host, port, unixSocket: path } = config;
  return formatAddress(path === undefined ? { host, port } : { path });
}

/** Whether a host is this machine, so that nothing passes a network. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" ||
    name === "0:0:0:0:0:0:0:1" || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/** Names that share one number on one endpoint without saying so by `alias_of`. */
export function findShared(databases: Iterable<RedisConfig>): SharedDatabase[] {
  const places = Map.groupBy(databases, (config) => `${config.db} ${endpointOf(config)}`);
  return [...places.values()].flatMap((there) => {
    const names = there.map(({ name }) => name);
    // An alias of another one there does not count.
    const owners = there.filter(({ aliasOf }) =>
      aliasOf === undefined || !names.includes(aliasOf)
    );
    if (owners.length < 2) return [];
    return [{ db: there[0]!.db, endpoint: endpointOf(there[0]!), names }];
  });
}

/**
 * How many connections a configuration may open to each server at most.
 *
 * @param config The configuration.
 * @returns The most connections by endpoint, such as `localhost:6379`; under
 * `maxTotalConnections`, no endpoint has more than that.
 *
 * @example Usage
 * ```ts
 * import { connectionDemand, RedisConfigLoader } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const config = RedisConfigLoader.fromOptions({
 *   databases: { cache: { db: 1, maxConnections: 8 }, jobs: { db: 2 } },
 * });
 * assertEquals(connectionDemand(config).get("localhost:6379"), 28);
 * ```
 */
export function connectionDemand(config: ManagerConfig): Map<string, number> {
  const demand = new Map<string, number>();
  for (const database of Object.values(config.databases)) {
    const endpoint = endpointOf(database);
    const sum = (demand.get(endpoint) ?? 0) + database.maxConnections;
    demand.set(endpoint, Math.min(sum, config.maxTotalConnections ?? sum));
  }
  return demand;
}

/**
 * Compares what a configuration may open with what a server takes. To be asked once
 * connected, with the server's own `maxclients`.
 *
 * @param config The configuration.
 * @param database A database on that server.
 * @param maxClients The server's `maxclients`.
 * @returns A warning with the numbers, or `undefined` when all connections fit.
 *
 * @example Usage
 * ```ts
 * import { checkMaxClients, RedisConfigLoader } from "@mooring/redis/config";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * const config = RedisConfigLoader.fromOptions({ databases: { cache: { db: 1 } } });
 * assertEquals(checkMaxClients(config, config.databases.cache, 10_000), undefined);
 * assertStringIncludes(checkMaxClients(config, config.databases.cache, 10) ?? "", "20");
 * ```
 */
export function checkMaxClients(
  config: ManagerConfig,
  database: RedisConfig,
  maxClients: number,
): string | undefined {
  const endpoint = endpointOf(database);
  const most = connectionDemand(config).get(endpoint) ?? database.maxConnections;
  if (most <= maxClients) return undefined;
  return `the databases on ${endpoint} may open ${most} connections, the server takes ` +
    `${maxClients} (maxclients), from all its clients; lower max_connections or set ` +
    "max_total_connections";
}
