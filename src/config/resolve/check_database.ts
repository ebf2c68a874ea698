import { formatOrigin } from "../origin.ts";
import type { RedisConfig } from "../types.ts";
import type { Effective } from "./effective.ts";
import { endpointOf, isLoopback } from "./endpoint.ts";
import { firstSet, type Words, wordsOf } from "./words.ts";

/** A setting that cannot be used beside another one. */
export interface Refused {
  /** Path of the setting. */
  readonly key: string;
  /** Path of the other one: where the first is a default, this one is to blame. */
  readonly beside: string;
  /** Why, in the words of the source that is to blame. */
  message(words: Words): string;
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
  const wordsFor: WordsFor = (...keys) => wordsOf(firstSet(values, keys));
  checkTopology(config, findings, wordsFor);
  checkSizes(config, findings);
  checkTimes(config, findings, wordsFor);
  checkTls(config, findings);
  checkSentinels(config, findings, wordsFor);
  checkPlainPassword(config, values, findings);
  checkReplyMapping(config, findings);
  return findings;
}

/** The words of the source in which the first of these settings stands that is set. */
type WordsFor = (...keys: string[]) => Words;

function checkTopology(
  config: RedisConfig,
  { refused, warnings }: Findings,
  wordsFor: WordsFor,
): void {
  const refuse = (key: string, message: Refused["message"]) =>
    refused.push({ key, beside: "mode", message });
  if (config.mode === "sentinel") {
    if (config.sentinelName === undefined) {
      refuse(
        "sentinelName",
        ({ name }) =>
          `mode sentinel needs ${name("sentinelName")}, the name of the primary`,
      );
    }
    if (config.nodes.length === 0) {
      refuse("nodes", () => "mode sentinel needs nodes, the sentinels");
    }
  }
  if (config.mode !== "standalone" && config.unixSocket !== undefined) {
    refuse("unixSocket", () => `mode ${config.mode} cannot use a Unix socket`);
  }
  if (config.mode === "standalone" && config.nodes.length > 0) {
    warnings.push("nodes have no effect in mode standalone; set mode");
  }
  if (config.mode !== "standalone" && config.resolve !== undefined) {
    warnings.push(`resolve has no effect in mode ${config.mode}`);
  }
  if (config.mode !== "sentinel" && config.sentinelName !== undefined) {
    const name = wordsFor("sentinelName").name("sentinelName");
    warnings.push(`${name} has no effect in mode ${config.mode}`);
  }
}

function checkSizes(config: RedisConfig, { refused }: Findings): void {
  const { minConnections, maxConnections, maxLanes, connectRetry } = config;
  const atMost = (
    key: string,
    value: number,
    beside: string,
    most: number,
    show: (value: number, words: Words) => string = String,
  ): void => {
    if (value <= most) return;
    const message = (words: Words) =>
      `${words.name(key)} ${show(value, words)} is more than ${words.name(beside)} ` +
      show(most, words);
    refused.push({ key, beside, message });
  };
  atMost("minConnections", minConnections, "maxConnections", maxConnections);
  atMost("maxLanes", maxLanes, "maxConnections", maxConnections);
  const { minMs, maxMs } = connectRetry;
  const time = (ms: number, words: Words) => words.time(ms);
  atMost("connectRetry.minMs", minMs, "connectRetry.maxMs", maxMs, time);
}

function checkTimes(
  config: RedisConfig,
  { warnings }: Findings,
  wordsFor: WordsFor,
): void {
  const { healthCheckIntervalMs, idleTimeoutMs } = config;
  if (healthCheckIntervalMs <= idleTimeoutMs) return;
  const said = (key: string, beside: string, ms: number): string => {
    const words = wordsFor(key, beside);
    return `${words.name(key)} ${words.time(ms)}`;
  };
  warnings.push(
    `${
      said("healthCheckIntervalMs", "idleTimeoutMs", healthCheckIntervalMs)
    } is longer than ` +
      `${
        said("idleTimeoutMs", "healthCheckIntervalMs", idleTimeoutMs)
      }: idle connections end before a heartbeat`,
  );
}

function checkTls(
  { tls, unixSocket }: RedisConfig,
  { refused, warnings }: Findings,
): void {
  refuseHalfPair("tls", tls, refused);
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

/** RESP2 has no maps, doubles and booleans. */
function checkReplyMapping(
  { protocol, replyMapping }: RedisConfig,
  { refused }: Findings,
): void {
  if (protocol !== 2 || replyMapping !== "resp3") return;
  const message = ({ name }: Words) =>
    `resp3 needs ${name("protocol")} auto or 3, found 2`;
  refused.push({ key: "replyMapping", beside: "protocol", message });
}

/** A client certificate is of no use without its key, and the key without it. */
function refuseHalfPair(
  group: "tls" | "sentinelTls",
  { certFile, keyFile }: RedisConfig["tls"],
  refused: Refused[],
): void {
  if ((certFile === undefined) === (keyFile === undefined)) return;
  const isKey = certFile === undefined;
  const key = `${group}.${isKey ? "keyFile" : "certFile"}`;
  const missing = `${group}.${isKey ? "certFile" : "keyFile"}`;
  const message = ({ name }: Words) =>
    `${name(missing)} is missing; the two belong together`;
  refused.push({ key, beside: key, message });
}

/** Sentinels are other servers, with users and certificates of their own. */
function checkSentinels(
  config: RedisConfig,
  { refused, warnings }: Findings,
  wordsFor: WordsFor,
): void {
  const { mode, nodes, sentinelPassword, sentinelTls, sentinelUsername } = config;
  refuseHalfPair("sentinelTls", sentinelTls, refused);
  if (mode !== "sentinel") {
    const isSet = sentinelTls.enabled || sentinelPassword !== undefined ||
      sentinelUsername !== undefined;
    if (isSet) warnings.push(`what is said of sentinels has no effect in mode ${mode}`);
    return;
  }
  if (sentinelTls.enabled && !sentinelTls.verify) {
    warnings.push(
      `${wordsFor("sentinelTls.verify").name("sentinelTls.verify")} is false: the ` +
        "sentinels' certificates are not verified, anybody in between can send this service to another server",
    );
  }
  if (sentinelTls.enabled || nodes.every(({ host }) => isLoopback(host))) return;
  const enable = `enable ${wordsFor("nodes").name("sentinelTls")}`;
  if (sentinelPassword !== undefined) {
    warnings.push(`the sentinels' password goes to them without TLS: ${enable}`);
  } else if (config.tls.enabled) {
    warnings.push(
      `TLS is spoken to the database and not to its sentinels: ${enable}`,
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
