import {
  BOOLEAN,
  choice,
  FUNCTION,
  integer,
  NODES,
  SECRET,
  text,
  URL_KIND,
} from "./kinds.ts";
import { rows, type Setting } from "./setting.ts";

/** Largest database number that is taken; the server decides which exist. */
const MAX_DB = 2_147_483_647;

/** Settings that say where the server is, and how to get in. */
export const ENDPOINT_SETTINGS: readonly Setting[] = rows(true, [
  {
    key: "mode",
    yaml: "mode",
    kind: choice("standalone", "sentinel", "cluster"),
    default: "standalone",
    description: "How the server is found.",
  },
  {
    key: "url",
    yaml: "url",
    kind: URL_KIND,
    description:
      "Host, port, user, password and number in one; options of this table in its query.",
  },
  {
    key: "host",
    yaml: "host",
    kind: text("host", 253),
    default: "localhost",
    description: "Host name or address.",
  },
  {
    key: "port",
    yaml: "port",
    kind: integer(1, 65_535),
    default: 6379,
    description: "TCP port.",
  },
  {
    key: "resolve",
    yaml: "resolve",
    kind: FUNCTION,
    description: "Finds the addresses of host; asked for each attempt to connect.",
  },
  {
    key: "unixSocket",
    yaml: "unix_socket",
    kind: text("path"),
    description: "Path of a Unix socket, in place of host and port.",
  },
  {
    key: "nodes",
    yaml: "nodes",
    kind: NODES,
    default: Object.freeze([]),
    description: "Sentinels, or nodes of a cluster.",
  },
  {
    key: "sentinelName",
    yaml: "sentinel_name",
    kind: text("word", 256),
    description: "Name of the primary as the sentinels know it.",
  },
  {
    key: "sentinelUsername",
    yaml: "sentinel_username",
    kind: text("word", 1024),
    description: "ACL user of the sentinels, who have users of their own.",
  },
  {
    key: "sentinelPassword",
    yaml: "sentinel_password",
    kind: SECRET,
    description: "Password of the sentinels; in code also a function.",
  },
  {
    key: "db",
    yaml: "db",
    kind: integer(0, MAX_DB),
    default: 0,
    description:
      "Database number; a name of RedisDatabase has its own by default, others 0.",
  },
  {
    key: "username",
    yaml: "username",
    kind: text("word", 1024),
    description: "ACL user.",
  },
  {
    key: "password",
    yaml: "password",
    kind: SECRET,
    description: "Password; in code also a function, asked for each new connection.",
  },
  {
    key: "passwordFile",
    yaml: "password_file",
    kind: text("path"),
    description: "File that holds the password; read again for each new connection.",
  },
  {
    key: "tls.enabled",
    yaml: "tls.enabled",
    kind: BOOLEAN,
    default: false,
    description:
      "Whether TLS is spoken; tls: true is short for it, a rediss:// URL says so too.",
  },
  {
    key: "tls.caFile",
    yaml: "tls.ca_file",
    kind: text("path"),
    description: "File of the certificate authorities that are trusted, PEM.",
  },
  {
    key: "tls.certFile",
    yaml: "tls.cert_file",
    kind: text("path"),
    description: "File of the client certificate, PEM.",
  },
  {
    key: "tls.keyFile",
    yaml: "tls.key_file",
    kind: text("path"),
    description: "File of the client certificate's key, PEM.",
  },
  {
    key: "tls.serverName",
    yaml: "tls.server_name",
    kind: text("host", 253),
    description: "Name that the server's certificate must carry; the host by default.",
  },
  {
    key: "tls.verify",
    yaml: "tls.verify",
    kind: BOOLEAN,
    default: true,
    description: "Whether the server's certificate is verified.",
  },
  {
    key: "sentinelTls.enabled",
    yaml: "sentinel_tls.enabled",
    kind: BOOLEAN,
    default: false,
    description:
      "Whether TLS is spoken to the sentinels, whatever is spoken to the database.",
  },
  {
    key: "sentinelTls.caFile",
    yaml: "sentinel_tls.ca_file",
    kind: text("path"),
    description: "File of the certificate authorities trusted for sentinels, PEM.",
  },
  {
    key: "sentinelTls.certFile",
    yaml: "sentinel_tls.cert_file",
    kind: text("path"),
    description: "File of the client certificate for sentinels, PEM.",
  },
  {
    key: "sentinelTls.keyFile",
    yaml: "sentinel_tls.key_file",
    kind: text("path"),
    description: "File of that certificate's key, PEM.",
  },
  {
    key: "sentinelTls.serverName",
    yaml: "sentinel_tls.server_name",
    kind: text("host", 253),
    description: "Name that a sentinel's certificate must carry; its host by default.",
  },
  {
    key: "sentinelTls.verify",
    yaml: "sentinel_tls.verify",
    kind: BOOLEAN,
    default: true,
    description: "Whether the certificates of sentinels are verified.",
  },
]);
