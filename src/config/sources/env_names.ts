/**
 * The part of an environment variable's name that stands for a database.
 *
 * @param database The database's name.
 * @returns The name in capitals, with `_` for what variables cannot hold.
 */
export function envNameOf(database: string): string {
  return database.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}

/** Variables that speak of every database, first the one that wins. */
export const ROOT_VARIABLES: readonly { names: readonly string[]; key: string }[] = [
  { names: ["REDIS_HOST", "AUTOBOT_REDIS_HOST"], key: "host" },
  { names: ["REDIS_PORT", "AUTOBOT_REDIS_PORT"], key: "port" },
  { names: ["REDIS_USERNAME"], key: "username" },
  { names: ["REDIS_PASSWORD", "AUTOBOT_REDIS_PASSWORD"], key: "password" },
  { names: ["REDIS_PASSWORD_FILE"], key: "passwordFile" },
  { names: ["REDIS_DB"], key: "db" },
  { names: ["REDIS_TLS", "AUTOBOT_REDIS_TLS_ENABLED"], key: "tls.enabled" },
];

/** The port that replaces that of `AUTOBOT_REDIS_PORT` where TLS is enabled. */
export const TLS_PORT_VARIABLE = "AUTOBOT_REDIS_TLS_PORT";

/** Files of TLS, read where the environment enables TLS. */
export const TLS_FILE_VARIABLES: readonly { names: readonly string[]; key: string }[] = [
  { names: ["AUTOBOT_TLS_CA_PATH"], key: "tls.caFile" },
  { names: ["AUTOBOT_TLS_CERT_PATH"], key: "tls.certFile" },
  { names: ["AUTOBOT_TLS_KEY_PATH"], key: "tls.keyFile" },
];

/** Variables of the seed's central timeouts. */
export const TIMEOUT_VARIABLES: readonly { name: string; key: string }[] = [
  { name: "AUTOBOT_REDIS_SOCKET_TIMEOUT", key: "commandTimeoutMs" },
  { name: "AUTOBOT_REDIS_CONNECT_TIMEOUT", key: "connectTimeoutMs" },
  { name: "AUTOBOT_REDIS_RETRY_ON_TIMEOUT", key: "retryOnTimeout" },
  { name: "AUTOBOT_REDIS_MAX_RETRIES", key: "maxRetries" },
  { name: "AUTOBOT_REDIS_CIRCUIT_BREAKER_TIMEOUT", key: "circuitBreakerTimeoutMs" },
];
