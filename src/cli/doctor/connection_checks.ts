/**
 * The doctor's checks of how a database is reached: permissions, names, the connection, its
 * TLS and its keepalive.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { deadline } from "@std/async/deadline";
import {
  AuthError,
  ConnectError,
  type ConnectionDetails,
  NotReadyError,
  type RedisClient,
  type RedisConfig,
  type RedisConnectionManager,
} from "../../../mod.ts";
import { hostOf } from "../../core/address.ts";
import { targetsOf } from "../load_config.ts";
import { flagOf, isGranted } from "../permissions.ts";
import { fail, ok, skip, type Verdict, warn } from "./findings.ts";

/** A certificate that expires sooner than this is a warning, in days. */
const RENEW_DAYS = 14;
const DAY_MS = 86_400_000;
/** Hosts that are this machine: what goes there passes no network. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

/** Takes the findings of one database. */
export type Report = (check: string, verdict: Verdict) => void;

/**
 * Connects to a database.
 *
 * @param manager A manager that gives up soon.
 * @param config The database.
 * @param timeoutMs Deadline of the connection, and of looking up its name.
 * @param report Takes the findings.
 * @returns A client; `undefined` if there is no connection.
 */
export async function checkConnection(
  manager: RedisConnectionManager,
  config: RedisConfig,
  timeoutMs: number,
  report: Report,
): Promise<RedisClient | undefined> {
  const { name, password } = config;
  const missing = permissionsFor(config).filter((each) => !isGranted(each)).map(flagOf);
  if (missing.length > 0) {
    const advice = `run it with ${missing.join(" ")} (or -A)`;
    report("permissions", fail("this process may not connect", advice));
    return undefined;
  }
  report("permissions", ok("this process may connect"));
  const names = await checkNames(config, timeoutMs);
  report("resolve", names);
  const startedAt = performance.now();
  let client: RedisClient;
  try {
    // The attempt has that deadline itself, and says why it failed.
    const signal = AbortSignal.timeout(2 * timeoutMs);
    client = await manager.getAsyncClient(name, { signal });
  } catch (error) {
    // That is what the name has shown already.
    const isUnknown = error instanceof ConnectError && /unknown host/.test(error.reason);
    if (names.status === "fail" && isUnknown) return undefined;
    const { reason, state } = manager.getHealthStatus().databases[name]!;
    const known = state === "failed" ? `: ${reason}` : "";
    reportFailure(
      error as Error,
      `no connection within ${2 * timeoutMs} ms${known}`,
      report,
    );
    return undefined;
  }
  const ms = (performance.now() - startedAt).toFixed(1);
  const { endpoint } = manager.getHealthStatus().databases[name]!;
  report("connect", ok(`${endpoint} in ${ms} ms`));
  // A client is returned when the server took the credentials and has its data.
  const auth = password === undefined
    ? "no password is configured, and none is required"
    : "the credentials were accepted";
  report("auth", ok(auth));
  report("loading", ok("the server has loaded its data"));
  const [socket] = manager.getPoolStatistics(name).connections;
  if (socket !== undefined) {
    report("tls", judgeTls(config, socket, Date.now()));
    report("keepalive", judgeKeepalive(config, socket));
  }
  return client;
}

function permissionsFor(config: RedisConfig): Deno.PermissionDescriptor[] {
  const { tls: { caFile, certFile, enabled, keyFile }, unixSocket: path } = config;
  const files = enabled ? [caFile, certFile, keyFile] : [];
  return [
    ...targetsOf(config).map((host) => ({ name: "net" as const, host })),
    ...(path === undefined ? [] : [
      { name: "net" as const, host: `unix:${path}` },
      { name: "read" as const, path },
      { name: "write" as const, path },
    ]),
    ...files.filter((path) => path !== undefined)
      .map((path) => ({ name: "read" as const, path })),
  ];
}

/** Looks up the names of a database's servers, as a connection will. */
async function checkNames(config: RedisConfig, timeoutMs: number): Promise<Verdict> {
  const hosts = [...new Set(targetsOf(config).map(hostOf))];
  if (hosts.length === 0) return skip("a Unix socket has no name to look up");
  const names = hosts.filter((host) => isIP(host) === 0);
  if (names.length === 0) return ok(`${hosts.join(", ")}: no name to look up`);
  const missing = names.filter((host) => !isGranted({ name: "net", host }));
  if (missing.length > 0) {
    return skip(
      `without --allow-net=${missing.join(",")} no name can be looked up alone`,
      "the next lines show whether it leads to a server",
    );
  }
  let isComplete = true;
  const answers = await Promise.all(names.map(async (name) => {
    const startedAt = performance.now();
    try {
      const found = await deadline(lookup(name, { all: true }), timeoutMs);
      const ms = (performance.now() - startedAt).toFixed(1);
      isComplete &&= found.length > 0;
      const list = found.map(({ address }) => address).join(", ") || "no address";
      return `${name} is ${list}, found in ${ms} ms`;
    } catch (error) {
      isComplete = false;
      const { code, message, name: kind } = error as Error & { code?: string };
      const reason = kind === "TimeoutError"
        ? `no answer within ${timeoutMs} ms`
        : code === "ENOTFOUND"
        ? "no name server knows it"
        : code ?? message;
      return `${name}: ${reason}`;
    }
  }));
  const message = answers.join("; ");
  return isComplete
    ? ok(message)
    : fail(message, "check the name, and the machine's DNS");
}

/** Messages have no name of a database and no time: they are the same for all of a server. */
function reportFailure(error: Error, late: string, report: Report): void {
  if (error instanceof NotReadyError) {
    const message = error.message.replace(/database ".*?"/, "it");
    const advice = "it serves when its data is loaded; services wait for loading_timeout";
    return report("loading", fail(message, advice));
  }
  if (!(error instanceof ConnectError)) {
    const text = error.name === "TimeoutError" ? late : error.message;
    return report("connect", fail(text, adviceFor(text)));
  }
  const { endpoint, reason } = error;
  if (error instanceof AuthError) {
    const advice = "check username and password, and the server's ACL";
    return report("auth", fail(`${endpoint}: ${reason}`, advice));
  }
  const isHere = LOOPBACK.test(hostOf(endpoint)) && /refused/.test(reason);
  const advice = isHere ? START : adviceFor(reason);
  report("connect", fail(`${endpoint}: ${reason}`, advice));
}

/** Advice where nothing listens on this machine. */
const START = "start the server, or one to try with: mooring dev; or set host and port";
/** Advice that fits most failures to connect. */
export const REACH = "check that the server runs, its host, port and firewall";

/** What to do, by the reason of the failure; the first that fits. Reasons that may name
 * hosts come first: a host may have any name. */
const ADVICE: readonly (readonly [reason: RegExp, advice: string])[] = [
  [/no sentinel could/, "check sentinel_name and nodes, and that the sentinels run"],
  [
    /ENOTFOUND|dns|lookup|unknown host|the resolver/i,
    "check the host's name and its DNS",
  ],
  [/not a Redis server/, "check host and port: something else listens there"],
  [/speaks no TLS/, "switch TLS off (tls.enabled: false, redis://), or use the TLS port"],
  [/speaks TLS/, "switch TLS on (tls.enabled: true, rediss://), or use the plain port"],
  [/cannot read the file|may not read/, "check the files of tls"],
  [
    /certificate|TLS|SSL|CERT_|SELF_SIGNED/i,
    "check tls.ca_file, tls.server_name and the server's certificate",
  ],
  [
    /max number of clients/i,
    "the server is full: raise maxclients, or close unused connections",
  ],
  [
    /DB index is out of range/,
    "check db, and the server's setting databases (in a cluster: cluster-databases)",
  ],
  [/NOPERM/, "allow it for this user: ACL SETUSER"],
  [/slots|cluster/i, "check mode and nodes: mode cluster is for servers of a cluster"],
  [
    // Deno 2.8 says UNKNOWN for EPIPE.
    /EPIPE|ECONNRESET|write UNKNOWN|was closed|connection (?:was lost|reset)/i,
    "the server closed the connection: does it require TLS (tls.enabled, rediss://)?",
  ],
];

/** What to do about a failure to connect, by its reason; it is for people. */
export function adviceFor(reason: string): string {
  return ADVICE.find(([pattern]) => pattern.test(reason))?.[1] ?? REACH;
}

/** What is known of a connection. */
export type SocketFacts = Pick<
  ConnectionDetails,
  "endpoint" | "keepalive" | "kernelKeepalive" | "tls"
>;

/** Whether a connection is encrypted and the server verified; `now` is since the epoch. */
export function judgeTls(
  config: RedisConfig,
  { endpoint, tls: session }: SocketFacts,
  now: number,
): Verdict {
  const { mode, password, tls, unixSocket } = config;
  if (session === null) {
    const host = mode === "standalone" ? config.host : hostOf(endpoint);
    const isLocal = unixSocket !== undefined || LOOPBACK.test(host);
    if (isLocal || password === undefined) return skip("TLS is not configured");
    return warn(
      `the password goes to ${host} without TLS`,
      "use rediss:// or tls.enabled; ignore this in a closed network",
    );
  }
  const { cipher, expiresAt, protocol } = session;
  const version = protocol === null
    ? "TLS; the runtime does not report version and cipher"
    : `${protocol}, ${cipher}`;
  if (!tls.verify) {
    return warn(
      `${version}; the server's certificate is not verified`,
      "others can read the traffic: set tls.ca_file, remove tls.verify",
    );
  }
  if (expiresAt === null) return ok(version);
  const days = Math.floor((Date.parse(expiresAt) - now) / DAY_MS);
  const message = `${version}; the certificate ends in ${days} days, ${expiresAt}`;
  return days < RENEW_DAYS
    ? warn(message, "renew the server's certificate")
    : ok(message);
}

/** Whether a dead connection is detected, and by whom. */
export function judgeKeepalive(config: RedisConfig, socket: SocketFacts): Verdict {
  const { healthCheckIntervalMs, socketKeepalive, unixSocket } = config;
  if (unixSocket !== undefined) return skip("a Unix socket needs none");
  if (socket.keepalive !== "heartbeat") return judgeKernel(config, socket);
  const why = socketKeepalive ? "this runtime sets none" : "it is off (socket_keepalive)";
  return healthCheckIntervalMs > 0
    ? ok(`${why}; a heartbeat sends PING every ${healthCheckIntervalMs / 1000} s`)
    : warn(
      `${why}, and there is no heartbeat: a dead idle connection is not detected`,
      "set health_check_interval, or socket_keepalive",
    );
}

/** Whether the kernel has the configured values, as far as they can be read. */
function judgeKernel(
  { socketKeepaliveOptions: { count, idleMs, intervalMs } }: RedisConfig,
  { keepalive, kernelKeepalive: kernel }: SocketFacts,
): Verdict {
  if (kernel === null) {
    const rest = "the kernel's defaults, as sysctl net.ipv4.tcp_keepalive_* says";
    return keepalive === "idle"
      ? ok(`tier idle: idle ${idleMs / 1000} s; interval and count are ${rest}`)
      : ok(`tier ${keepalive}: all times are ${rest}`);
  }
  const { idleSeconds, intervalSeconds, isOn } = kernel;
  const message = `tier ${keepalive}: the kernel has idle ${idleSeconds} s, interval ` +
    `${intervalSeconds} s, count ${kernel.count}`;
  const isConfigured = isOn && kernel.count === count &&
    idleSeconds === Math.round(idleMs / 1000) &&
    intervalSeconds === Math.round(intervalMs / 1000);
  return isConfigured ? ok(message) : warn(
    `${message}, which is not what is configured`,
    "find what else sets options of this process's sockets",
  );
}
