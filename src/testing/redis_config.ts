/**
 * The `redis.conf` of a server of the test kit.
 *
 * @module
 */

/**
 * Directives of `redis.conf` by name, such as `{ maxclients: "5" }`. They are written as they
 * are; a list makes a line for each value.
 */
export type RedisServerConfig = Record<string, string | readonly string[]>;

/** Files for a server that speaks TLS, in PEM. */
export interface RedisServerTls {
  /** Certificate of the authority that clients' certificates are checked against. */
  caFile: string;
  /** The server's certificate. */
  certFile: string;
  /** The key of that certificate. */
  keyFile: string;
  /** Whether clients must present a certificate of the authority. Default: `false`. */
  requireClientCertificate?: boolean;
}

/**
 * What a server keeps over a restart. `none`: nothing. `rdb`: what it had when it was stopped
 * in order, or at the last `SAVE`. `aof`: every write that it has acknowledged, also if it is
 * killed.
 */
export type Persistence = "none" | "rdb" | "aof";

/** What {@linkcode redisConfigText} is made from. */
export interface RedisConfigInput {
  /** Address to listen on. */
  host: string;
  /** Port to listen on. */
  port: number;
  /** Working folder. */
  dir: string;
  /** Path of the Unix socket. */
  unixSocket: string;
  /** Password of the default user. */
  password?: string;
  /** TLS on the port. */
  tls?: RedisServerTls;
  /** Default: `none`. */
  persistence?: Persistence;
  /** Directives that override all others. */
  config: RedisServerConfig;
}

/** Name, password and connection name of the ACL user that the kit itself connects as. */
export const KIT_USER = "mooring-testing";

const PERSISTENCE: Record<Persistence, RedisServerConfig> = {
  none: { save: "", appendonly: "no" },
  rdb: { save: "3600 1", appendonly: "no" },
  aof: { save: "", appendonly: "yes", appendfsync: "always" },
};

/** The text of a `redis.conf`. */
export function redisConfigText(input: RedisConfigInput): string {
  const { host, port, dir, unixSocket, password, tls, persistence = "none", config } =
    input;
  const directives: RedisServerConfig = {
    bind: host,
    dir: quoted(dir),
    unixsocket: quoted(unixSocket),
    ...tls ? tlsDirectives(port, tls) : { port: String(port) },
    ...PERSISTENCE[persistence],
    ...password === undefined ? {} : { requirepass: quoted(password) },
    ...config,
    user: usersOf(config),
  };
  return Object.entries(directives)
    .flatMap(([name, value]) => [value].flat().map((line) => `${name} ${line || '""'}\n`))
    .join("");
}

// Redis takes users from its configuration or from an ACL file, never from both.
function usersOf(config: RedisServerConfig): string[] {
  if ("aclfile" in config) return [];
  return [`${KIT_USER} on >${KIT_USER} ~* &* +@all`, ...[config.user ?? []].flat()];
}

function tlsDirectives(port: number, tls: RedisServerTls): RedisServerConfig {
  return {
    port: "0",
    "tls-port": String(port),
    "tls-ca-cert-file": quoted(tls.caFile),
    "tls-cert-file": quoted(tls.certFile),
    "tls-key-file": quoted(tls.keyFile),
    "tls-auth-clients": tls.requireClientCertificate ? "yes" : "no",
    "tls-replication": "yes",
  };
}

function quoted(value: string): string {
  return `"${value.replace(/(["\\])/g, "\\$1")}"`;
}
