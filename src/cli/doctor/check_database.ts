import {
  AuthError,
  connectionDemand,
  NotReadyError,
  type RedisClient,
  type RedisConfig,
  type RedisConnectionManager,
} from "../../../mod.ts";
import { flagOf, isGranted } from "../permissions.ts";
import type { DoctorOptions } from "./command.ts";
import type { Finding } from "./report.ts";
import { adviceFor, REACH } from "./advice.ts";
import { targetsOf, targetText } from "../targets.ts";
import { resolveNames } from "./resolve_names.ts";
import {
  type Info,
  judgeClock,
  judgeEviction,
  judgeMaxClients,
  judgePersistence,
  judgeReplication,
  judgeServer,
  parseInfo,
  type Verdict,
} from "./server_facts.ts";
import { judgeKeepalive, judgeTls } from "./socket_facts.ts";

/** Round trips that the latency is taken of. */
const PINGS = 100;
/** A p99 over this, in milliseconds, deserves a look. */
const SLOW_MS = 50;
const SETTINGS = [
  "save",
  "appendfsync",
  "stop-writes-on-bgsave-error",
  "min-replicas-to-write",
  "maxclients",
] as const;

/** Takes the lines of one database. */
type Say = (check: string, verdict: Verdict) => void;

/**
 * Looks at one database: connects, asks, writes nothing.
 *
 * @param manager A manager that gives up soon.
 * @param config The database.
 * @param options What the user asked for.
 * @param say Takes each line.
 */
export async function checkDatabase(
  manager: RedisConnectionManager,
  config: RedisConfig,
  options: DoctorOptions,
  say: (finding: Finding) => void,
): Promise<void> {
  const line: Say = (check, verdict) =>
    say({ scope: `databases.${config.name}`, check, ...verdict });
  if (!mayConnect(config, line)) return;
  line("resolve", await resolveNames(config, options.timeout));
  const client = await connect(manager, config, line, options.timeout);
  if (client === undefined) return;
  sayWhatConnectingShowed(config, line);
  judgeSocket(manager, config, line);
  await askServer(manager, client, config, options, line);
}

/** Asks the runtime, so that it does not stop and ask the user. */
function mayConnect(config: RedisConfig, line: Say): boolean {
  const needed: Deno.PermissionDescriptor[] = config.unixSocket === undefined
    ? targetsOf(config).map((address) => ({ name: "net", host: targetText(address) }))
    : [
      { name: "net", host: `unix:${config.unixSocket}` },
      { name: "read", path: config.unixSocket },
      { name: "write", path: config.unixSocket },
    ];
  const { caFile, certFile, keyFile, enabled } = config.tls;
  const files = enabled ? [caFile, certFile, keyFile] : [];
  for (const path of files) if (path !== undefined) needed.push({ name: "read", path });
  const missing = needed.filter((permission) => !isGranted(permission)).map(flagOf);
  if (missing.length === 0) {
    line("permissions", { status: "ok", message: "this process may connect" });
    return true;
  }
  line("permissions", {
    status: "fail",
    message: "this process may not connect",
    advice: `run it with ${missing.join(" ")} (or -A)`,
  });
  return false;
}

/** The connection that the client has just got; what is known of it costs no question. */
function judgeSocket(
  manager: RedisConnectionManager,
  config: RedisConfig,
  line: Say,
): void {
  const [socket] = manager.getPoolStatistics(config.name).connections;
  if (socket === undefined) return;
  line("tls", judgeTls(config, socket, Date.now()));
  line("keepalive", judgeKeepalive(config, socket));
}

async function connect(
  manager: RedisConnectionManager,
  config: RedisConfig,
  line: Say,
  timeoutMs: number,
): Promise<RedisClient | undefined> {
  const { name } = config;
  const startedAt = performance.now();
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const client = await manager.getAsyncClient(name, { signal });
    const ms = (performance.now() - startedAt).toFixed(1);
    const { endpoint } = manager.listDatabases().find((found) => found.name === name)!;
    line("connect", { status: "ok", message: `${endpoint} in ${ms} ms` });
    return client;
  } catch (error) {
    const { reason, state } = manager.getHealthStatus().databases[name]!;
    const known = state === "failed" ? reason : undefined;
    explainFailure(error as Error, line, { timeoutMs, known });
    return undefined;
  }
}

/** A client is given when the server took the credentials and has its data. */
function sayWhatConnectingShowed({ password }: RedisConfig, line: Say): void {
  const message = password === undefined
    ? "no password is configured, and none is asked for"
    : "the credentials were accepted";
  line("auth", { status: "ok", message });
  line("loading", { status: "ok", message: "the server has its data" });
}

function explainFailure(
  error: Error,
  line: Say,
  { timeoutMs, known }: { timeoutMs: number; known: string | undefined },
): void {
  const { message } = error;
  if (error instanceof AuthError) {
    const advice = "check username and password, and the server's ACL";
    return line("auth", { status: "fail", message, advice });
  }
  if (error instanceof NotReadyError) {
    const advice = "it serves when its data is loaded; loading_timeout is how long " +
      "services wait";
    return line("loading", { status: "fail", message, advice });
  }
  if (error.name === "TimeoutError") {
    const text = `no connection within ${timeoutMs} ms`;
    return line("connect", {
      status: "fail",
      message: known === undefined ? text : `${text}: ${known}`,
      advice: known === undefined ? REACH : adviceFor(known),
    });
  }
  line("connect", { status: "fail", message, advice: adviceFor(message) });
}

async function askServer(
  manager: RedisConnectionManager,
  client: RedisClient,
  config: RedisConfig,
  options: DoctorOptions,
  line: Say,
): Promise<void> {
  await run(line, "latency", () => measure(client));
  const info = await readInfo(client);
  if (info === undefined) {
    line("server", {
      status: "warn",
      message: "the user may not run INFO: server, maxclients, eviction and " +
        "persistence cannot be seen",
      advice: "allow it for the doctor: ACL SETUSER <user> +info +config|get",
    });
  } else {
    const kind = judgeServer(info, config.mode);
    line("server", kind);
    // What holds no data has nothing more to tell.
    if (kind.status === "fail") return;
    await judgeInfo(manager, client, config, options, line, info);
  }
  await run(line, "user", () => judgeUser(client));
  await run(line, "clock", () => compareClocks(client));
}

async function judgeInfo(
  manager: RedisConnectionManager,
  client: RedisClient,
  config: RedisConfig,
  { instances }: DoctorOptions,
  line: Say,
  info: Info,
): Promise<void> {
  const { endpoint } = manager.listDatabases().find(({ name }) => name === config.name)!;
  const needed = connectionDemand(manager.config).get(endpoint) ?? config.maxConnections;
  const settings = await readSettings(client);
  // Servers before 6.2 do not tell it in INFO.
  const maxClients = Number(info.maxclients ?? settings.maxclients);
  line(
    "maxclients",
    Number.isFinite(maxClients)
      ? judgeMaxClients(needed, instances, maxClients)
      : { status: "skip", message: "the server does not tell" },
  );
  line("eviction", judgeEviction(info));
  line("persistence", judgePersistence(info, settings));
  line("replication", judgeReplication(info, settings));
}

/** A check that the server may refuse: a refusal is a line, not an end. */
async function run(
  line: Say,
  check: string,
  ask: () => Promise<Verdict>,
): Promise<void> {
  try {
    line(check, await ask());
  } catch (error) {
    const { message } = error as Error;
    const isRefused = message.startsWith("NOPERM");
    line(check, {
      status: isRefused ? "warn" : "fail",
      message,
      advice: isRefused
        ? "allow it for this user, or take the line as it is"
        : "run the doctor again; the connection or the server is not well",
    });
  }
}

async function measure(client: RedisClient): Promise<Verdict> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const startedAt = performance.now();
    await client.ping();
    times.push(performance.now() - startedAt);
  }
  times.sort((a, b) => a - b);
  const p50 = times[PINGS / 2 - 1]!;
  const p99 = times[PINGS - 2]!;
  const message = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms of ${PINGS} PINGs`;
  return p99 <= SLOW_MS ? { status: "ok", message } : {
    status: "warn",
    message,
    advice: "the server is far away or busy: look at SLOWLOG and the network",
  };
}

async function readInfo(client: RedisClient): Promise<Info | undefined> {
  return await client.info().then(
    (text) => parseInfo(String(text)),
    () => undefined,
  );
}

/** Settings that lose data; none where CONFIG is not allowed, as on hosted servers. */
async function readSettings(client: RedisClient): Promise<Info> {
  const found: Record<string, string> = {};
  for (const name of SETTINGS) {
    const reply = await client.config("GET", name).catch(() => undefined);
    const [value] = Array.isArray(reply) ? reply.slice(1) : Object.values(Object(reply));
    if (value !== undefined) found[name] = String(value);
  }
  return found;
}

async function judgeUser(client: RedisClient): Promise<Verdict> {
  const user = String(await client.acl("WHOAMI"));
  const refused: string[] = [];
  for (const command of [["GET", "k"], ["SET", "k", "v"], ["INFO"]] as const) {
    try {
      const answer = await client.call("ACL", "DRYRUN", user, ...command);
      if (String(answer) !== "OK") refused.push(command[0]);
    } catch (error) {
      const { message } = error as Error;
      return {
        status: "skip",
        message: `user ${user}; what it may run is not known: ${message}`,
        advice: "ACL DRYRUN tells from version 7 on, to users who may run it",
      };
    }
  }
  if (refused.length === 0) return { status: "ok", message: `user ${user}` };
  return {
    status: "warn",
    message: `user ${user} may not run ${refused.join(", ")} on every key`,
    advice: "fine if it is meant; otherwise ACL SETUSER",
  };
}

async function compareClocks(client: RedisClient): Promise<Verdict> {
  const startedAt = performance.now();
  const wall = Date.now();
  const [seconds, micros] = await client.time();
  const roundTripMs = performance.now() - startedAt;
  const serverMs = Number(seconds) * 1000 + Number(micros) / 1000;
  return judgeClock(serverMs, wall + roundTripMs / 2, roundTripMs);
}
