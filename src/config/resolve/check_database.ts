import { formatOrigin } from "../origin.ts";
import type { RedisConfig } from "../types.ts";
import type { Effective } from "./effective.ts";
import { endpointOf, isLoopback } from "./endpoint.ts";

/** A setting that cannot be used beside another one. */
export interface Refused {
  /** Path of the setting. */
  readonly key: string;
  /** Path of the other one: where the first is a default, this one is to blame. */
  readonly beside: string;
  /** Why. */
  readonly message: string;
}

/** What the checks say. */
export interface Findings {
  /** What cannot be used. */
  readonly refused: Refused[];
  /** What is allowed but probably not meant. */
  readonly warnings: string[];
}

/** Values that count by the setting's path in code. */
export type EffectiveValues = ReadonlyMap<string, Effective>;

/**
 * Checks the settings of one database against each other.
 *
 * @param config The database.
 * @param values Its values with their origins.
 * @returns What is wrong, and what is probably not meant.
 */
export function checkDatabase(config: RedisConfig, values: EffectiveValues): Findings {
  const findings: Findings = { refused: [], warnings: [] };
  checkTopology(config, findings);
  checkSizes(config, findings);
  checkTimes(config, findings);
  checkTls(config, findings);
  checkSentinels(config, findings);
  checkPlainPassword(config, values, findings);
  return findings;
}

function checkTopology(config: RedisConfig, { refused, warnings }: Findings): void {
  if (config.mode === "sentinel") {
    if (config.sentinelName === undefined) {
      const message = "mode sentinel needs sentinel_name, the name of the primary";
      refused.push({ key: "sentinelName", beside: "mode", message });
    }
    if (config.nodes.length === 0) {
      const message = "mode sentinel needs nodes, the sentinels";
      refused.push({ key: "nodes", beside: "mode", message });
    }
  }
  if (config.mode === "cluster" && config.db !== 0) {
    const message =
      `found ${config.db}, a cluster has only number 0; use key_prefix to ` +
      "tell databases apart";
    refused.push({ key: "db", beside: "mode", message });
  }
  if (config.mode !== "standalone" && config.unixSocket !== undefined) {
    const message = `mode ${config.mode} cannot use a Unix socket`;
    refused.push({ key: "unixSocket", beside: "mode", message });
  }
  if (config.mode === "standalone" && config.nodes.length > 0) {
    warnings.push("nodes have no effect in mode standalone; set mode");
  }
  if (config.mode !== "standalone" && config.resolve !== undefined) {
    warnings.push(`resolve has no effect in mode ${config.mode}`);
  }
  if (config.mode !== "sentinel" && config.sentinelName !== undefined) {
    warnings.push(`sentinel_name has no effect in mode ${config.mode}`);
  }
}

function checkSizes(config: RedisConfig, { refused }: Findings): void {
  const { minConnections, maxConnections, maxLanes, connectRetry } = config;
  if (minConnections > maxConnections) {
    const message =
      `min_connections ${minConnections} is more than max_connections ${maxConnections}`;
    refused.push({ key: "minConnections", beside: "maxConnections", message });
  }
  if (maxLanes > maxConnections) {
    const message =
      `max_lanes ${maxLanes} is more than max_connections ${maxConnections}`;
    refused.push({ key: "maxLanes", beside: "maxConnections", message });
  }
  if (connectRetry.minMs > connectRetry.maxMs) {
    const message = `connect_retry.min ${connectRetry.minMs / 1000} s is more than ` +
      `connect_retry.max ${connectRetry.maxMs / 1000} s`;
    refused.push({ key: "connectRetry.minMs", beside: "connectRetry.maxMs", message });
  }
}

function checkTimes(config: RedisConfig, { warnings }: Findings): void {
  const { healthCheckIntervalMs, idleTimeoutMs } = config;
  if (healthCheckIntervalMs > idleTimeoutMs) {
    warnings.push(
      `health_check_interval ${healthCheckIntervalMs / 1000} s is longer than ` +
        `idle_timeout ${idleTimeoutMs / 1000} s: idle connections end before a heartbeat`,
    );
  }
}

function checkTls(
  { tls, unixSocket }: RedisConfig,
  { refused, warnings }: Findings,
): void {
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    const missing = tls.certFile === undefined ? "cert_file" : "key_file";
    const key = tls.certFile === undefined ? "tls.keyFile" : "tls.certFile";
    const message = `tls.${missing} is missing; the two belong together`;
    refused.push({ key, beside: key, message });
  }
  if (!tls.enabled) {
    const named = tls.caFile ?? tls.certFile ?? tls.serverName;
    if (named !== undefined) {
      warnings.push("tls has settings but is not enabled: nothing is encrypted");
    }
    return;
  }
  if (unixSocket !== undefined) warnings.push("tls has no effect on a Unix socket");
  else if (!tls.verify) {
    warnings.push(
      "tls.verify is false: the server's certificate is not verified, anybody in " +
        "between can read and change everything",
    );
  }
}

/** Sentinels are other servers, with users and certificates of their own. */
function checkSentinels(config: RedisConfig, { refused, warnings }: Findings): void {
  const { mode, nodes, sentinelPassword, sentinelTls, sentinelUsername } = config;
  const { certFile, keyFile } = sentinelTls;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const missing = certFile === undefined ? "cert_file" : "key_file";
    const key = certFile === undefined ? "sentinelTls.keyFile" : "sentinelTls.certFile";
    const message = `sentinel_tls.${missing} is missing; the two belong together`;
    refused.push({ key, beside: key, message });
  }
  if (mode !== "sentinel") {
    const isSet = sentinelTls.enabled || sentinelPassword !== undefined ||
      sentinelUsername !== undefined;
    if (isSet) warnings.push(`what is said of sentinels has no effect in mode ${mode}`);
    return;
  }
  if (sentinelTls.enabled && !sentinelTls.verify) {
    warnings.push(
      "sentinel_tls.verify is false: the sentinels' certificates are not verified, " +
        "anybody in between can send this service to another server",
    );
  }
  if (sentinelTls.enabled || nodes.every(({ host }) => isLoopback(host))) return;
  if (sentinelPassword !== undefined) {
    warnings.push(
      "the sentinels' password goes to them without TLS: enable sentinel_tls",
    );
  } else if (config.tls.enabled) {
    warnings.push(
      "TLS is spoken to the database and not to its sentinels: enable sentinel_tls",
    );
  }
}

function checkPlainPassword(
  config: RedisConfig,
  values: EffectiveValues,
  { warnings }: Findings,
): void {
  if (config.password === undefined || config.tls.enabled) return;
  if (config.unixSocket !== undefined && config.mode === "standalone") return;
  const hosts = config.mode === "standalone"
    ? [config.host]
    : config.nodes.map(({ host }) => host);
  if (hosts.every(isLoopback)) return;
  const origin = values.get("password")?.origin ?? values.get("passwordFile")?.origin;
  const from = origin === undefined ? "" : ` (${formatOrigin(origin)})`;
  warnings.push(
    `the password${from} goes to ${endpointOf(config)} without TLS: anybody in between ` +
      "can read it; use rediss:// or tls.enabled",
  );
}
