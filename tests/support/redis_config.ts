/**
 * The redis.conf of a server that tests start.
 *
 * @module
 */

/** Directives of a redis.conf, written as they are: a list is several lines of one name. */
export type RedisServerConfig = Record<string, string | readonly string[]>;

/** Files of a server that speaks TLS, as `tests/support/tls.ts` makes them. */
export interface RedisServerTls {
  /** Certificate of the authority that the server knows. */
  caFile: string;
  /** The server's certificate. */
  certFile: string;
  /** The key of that certificate. */
  keyFile: string;
  /** Whether clients must show a certificate of the authority. Default: false. */
  requireClientCertificate?: boolean;
}

/**
 * What a restarted server finds. `none`: an empty database. `rdb`: what was there when the
 * server was stopped in order (or SAVE was sent); a killed one forgets. `aof`: every
 * acknowledged write.
 */
export type Persistence = "none" | "rdb" | "aof";

/** What {@linkcode redisConfigText} writes down. */
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
  /** Directives that win over all others. */
  config: RedisServerConfig;
}

/** Name, password and connection name of the ACL user that the tests ask questions as. */
export const JUDGE = "mooring-judge";

const PERSISTENCE: Record<Persistence, RedisServerConfig> = {
  none: { save: "", appendonly: "no" },
  rdb: { save: "3600 1", appendonly: "no" },
  aof: { save: "", appendonly: "yes", appendfsync: "always" },
};

/** The text of a redis.conf. */
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

// Redis takes users from its configuration or from a file of their own, never from both.
function usersOf(config: RedisServerConfig): string[] {
  if ("aclfile" in config) return [];
  return [`${JUDGE} on >${JUDGE} ~* &* +@all`, ...[config.user ?? []].flat()];
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
