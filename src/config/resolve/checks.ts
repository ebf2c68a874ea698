import { endpointOf, findShared, isLoopback } from "../endpoint.ts";
import {
  DEFAULT_ORIGIN,
  type EffectiveValues,
  formatOrigin,
  type Located,
  type Origin,
} from "../layer.ts";
import { type Wording, wordingOf } from "../messages.ts";
import type { RedisConfig, TlsConfig } from "../types.ts";

/** Reports a problem with a setting at an origin. */
export type Refuse = (origin: Origin, key: string, message: string) => void;

/** Checks the settings of one database against each other, and gives the warnings. */
export function checkDatabase(
  config: RedisConfig,
  values: EffectiveValues,
  refuse: Refuse,
): string[] {
  const check: Check = {
    config,
    values,
    warnings: [],
    refuse: (key, beside, message) => {
      const origin = firstSet(values, [key, beside]);
      refuse(origin, key, message(wordingOf(origin)));
    },
  };
  checkTopology(check);
  checkSizes(check);
  checkTimes(check);
  checkTls(check);
  checkSentinels(check);
  checkPlainPassword(check);
  if (config.protocol === 2 && config.replyMapping === "resp3") {
    // RESP2 has no maps, doubles and booleans.
    const message = ({ name }: Wording) =>
      `resp3 needs ${name("protocol")} auto or 3, found 2`;
    check.refuse("replyMapping", "protocol", message);
  }
  return check.warnings;
}

interface Check {
  readonly config: RedisConfig;
  readonly values: EffectiveValues;
  readonly warnings: string[];
  /** Refuses a setting; if it is a default, the problem is where the other one is set. */
  refuse(key: string, beside: string, message: (wording: Wording) => string): void;
}

/** Where the first of these settings is set that is not a default. */
function firstSet(values: EffectiveValues, keys: readonly string[]): Origin {
  const origins = keys.flatMap((key) => values.get(key)?.origin ?? []);
  return origins.find(({ source }) => source !== "default") ?? origins[0] ??
    DEFAULT_ORIGIN;
}

/** A setting's name as the source that sets it, or another one, writes it. */
function nameOf(values: EffectiveValues, key: string, setBy: string = key): string {
  return wordingOf(firstSet(values, [setBy])).name(key);
}

function checkTopology({ config, values, warnings, refuse }: Check): void {
  const { mode, nodes, resolve, sentinelName, unixSocket } = config;
  if (mode === "sentinel" && sentinelName === undefined) {
    const message = ({ name }: Wording) =>
      `mode sentinel needs ${name("sentinelName")}, the name of the primary`;
    refuse("sentinelName", "mode", message);
  }
  if (mode === "sentinel" && nodes.length === 0) {
    refuse("nodes", "mode", () => "mode sentinel needs nodes, the sentinels");
  }
  if (mode !== "standalone" && unixSocket !== undefined) {
    refuse("unixSocket", "mode", () => `mode ${mode} cannot use a Unix socket`);
  }
  if (mode === "standalone" && nodes.length > 0) {
    warnings.push("nodes have no effect in mode standalone; set mode");
  }
  if (mode !== "standalone" && resolve !== undefined) {
    warnings.push(`resolve has no effect in mode ${mode}`);
  }
  if (mode !== "sentinel" && sentinelName !== undefined) {
    warnings.push(`${nameOf(values, "sentinelName")} has no effect in mode ${mode}`);
  }
}

function checkSizes({ config, refuse }: Check): void {
  const { minConnections, maxConnections, maxLanes } = config;
  const { minMs, maxMs } = config.connectRetry;
  const time = (ms: number, wording: Wording) => wording.time(ms);
  for (
    const [key, value, beside, most, show] of [
      ["minConnections", minConnections, "maxConnections", maxConnections, String],
      ["maxLanes", maxLanes, "maxConnections", maxConnections, String],
      ["connectRetry.minMs", minMs, "connectRetry.maxMs", maxMs, time],
    ] as const
  ) {
    if (value <= most) continue;
    const message = (wording: Wording) =>
      `${wording.name(key)} ${show(value, wording)} is more than ` +
      `${wording.name(beside)} ${show(most, wording)}`;
    refuse(key, beside, message);
  }
}

function checkTimes({ config, values, warnings }: Check): void {
  const { healthCheckIntervalMs, idleTimeoutMs } = config;
  if (healthCheckIntervalMs <= idleTimeoutMs) return;
  const written = (key: string, beside: string, ms: number): string => {
    const wording = wordingOf(firstSet(values, [key, beside]));
    return `${wording.name(key)} ${wording.time(ms)}`;
  };
  const interval = written(
    "healthCheckIntervalMs",
    "idleTimeoutMs",
    healthCheckIntervalMs,
  );
  const idle = written("idleTimeoutMs", "healthCheckIntervalMs", idleTimeoutMs);
  warnings.push(
    `${interval} is longer than ${idle}: idle connections end before a heartbeat`,
  );
}

function checkTls({ config, warnings, refuse }: Check): void {
  const { tls, unixSocket } = config;
  refuseHalfPair("tls", tls, refuse);
  if (!tls.enabled) {
    const given = tls.caFile ?? tls.certFile ?? tls.serverName;
    if (given === undefined) return;
    warnings.push("tls has settings but is not enabled: nothing is encrypted");
  } else if (unixSocket !== undefined) {
    warnings.push("tls has no effect on a Unix socket");
  } else if (!tls.verify) {
    warnings.push(
      "tls.verify is false: the server's certificate is not verified, anybody in " +
        "between can read and change everything",
    );
  }
}

/** A client certificate is useless without its key, and the other way round. */
function refuseHalfPair(
  group: "tls" | "sentinelTls",
  { certFile, keyFile }: TlsConfig,
  refuse: Check["refuse"],
): void {
  if ((certFile === undefined) === (keyFile === undefined)) return;
  const [given, missing] = certFile === undefined
    ? ["keyFile", "certFile"]
    : ["certFile", "keyFile"];
  const key = `${group}.${given}`;
  const message = ({ name }: Wording) =>
    `${name(`${group}.${missing}`)} is missing; the two belong together`;
  refuse(key, key, message);
}

/** Sentinels are other servers, with users and certificates of their own. */
function checkSentinels({ config, values, warnings, refuse }: Check): void {
  const { mode, nodes, sentinelPassword, sentinelTls, sentinelUsername } = config;
  refuseHalfPair("sentinelTls", sentinelTls, refuse);
  if (mode !== "sentinel") {
    const isSet = sentinelTls.enabled || sentinelPassword !== undefined ||
      sentinelUsername !== undefined;
    if (isSet) warnings.push(`what is said of sentinels has no effect in mode ${mode}`);
    return;
  }
  if (sentinelTls.enabled && !sentinelTls.verify) {
    warnings.push(
      `${nameOf(values, "sentinelTls.verify")} is false: the sentinels' certificates ` +
        "are not verified, anybody in between can send this service to another server",
    );
  }
  if (sentinelTls.enabled || nodes.every(({ host }) => isLoopback(host))) return;
  const enable = `enable ${nameOf(values, "sentinelTls", "nodes")}`;
  if (sentinelPassword !== undefined) {
    warnings.push(`the sentinels' password goes to them without TLS: ${enable}`);
  } else if (config.tls.enabled) {
    warnings.push(`TLS is spoken to the database and not to its sentinels: ${enable}`);
  }
}

function checkPlainPassword({ config, values, warnings }: Check): void {
  const { host, mode, nodes, password, tls, unixSocket } = config;
  if (password === undefined || tls.enabled) return;
  if (unixSocket !== undefined && mode === "standalone") return;
  const hosts = mode === "standalone" ? [host] : nodes.map(({ host }) => host);
  if (hosts.every(isLoopback)) return;
  const origin = values.get("password")?.origin ?? values.get("passwordFile")?.origin;
  const from = origin === undefined ? "" : ` (${formatOrigin(origin)})`;
  warnings.push(
    `the password${from} goes to ${endpointOf(config)} without TLS: anybody in between ` +
      "can read it; use rediss:// or tls.enabled",
  );
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
