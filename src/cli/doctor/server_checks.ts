/**
 * The doctor's checks of a connected server: its kind, its limits, its persistence and
 * replication, its latency. Nothing is written to it.
 *
 * @module
 */
import type {
  RedisClient,
  RedisConfig,
  RedisConnectionManager,
  ReplicaHealth,
} from "../../../mod.ts";
import { connectionDemand } from "../../config/main.ts";
import { counted } from "../numbers.ts";
import { parseInfo, type ServerInfo, serverVersion, settingOf } from "../server_info.ts";
import type { Report } from "./connection_checks.ts";
import { fail, ok, skip, type Verdict, warn } from "./findings.ts";

/** Round trips that the latency is measured with. */
const PINGS = 100;
/** A p99 above this is a warning, in milliseconds. */
const SLOW_MS = 50;
const SETTINGS = [
  "save",
  "appendfsync",
  "stop-writes-on-bgsave-error",
  "min-replicas-to-write",
  "maxclients",
  "tracking-table-max-keys",
] as const;

/**
 * Checks a server.
 *
 * @param manager The manager.
 * @param reader A client of the database.
 * @param config The database.
 * @param instances Processes that use the configuration at the same time.
 * @param report Takes the findings.
 */
export async function checkServer(
  manager: RedisConnectionManager,
  reader: RedisClient,
  config: RedisConfig,
  instances: number,
  report: Report,
): Promise<void> {
  // Wherever reads go: the questions are about the primary.
  const client = reader.with({ readFrom: "primary" });
  // A check that the server refuses is a finding.
  const run = async (check: string, judge: () => Promise<Verdict>) => {
    report(
      check,
      await judge().catch(({ message }: Error) =>
        message.startsWith("NOPERM")
          ? warn(message, "allow it for this user, or ignore this")
          : fail(
            message,
            "run the doctor again: the connection or the server has a problem",
          )
      ),
    );
  };
  await run("latency", () => measureLatency(client));
  const reply = await client.info().catch(() => undefined);
  if (reply === undefined) {
    const message = "the user may not run INFO: server, maxclients, eviction and " +
      "persistence cannot be checked";
    const advice = "allow it for the doctor: ACL SETUSER <user> +info +config|get";
    report("server", warn(message, advice));
  } else {
    const info = parseInfo(String(reply));
    const kind = judgeServer(info, config.mode);
    report("server", kind);
    // A sentinel holds no data: the other checks do not apply.
    if (kind.status === "fail") return;
    const { endpoint } = manager.getHealthStatus().databases[config.name]!;
    const needed = connectionDemand(manager.config).get(endpoint) ??
      config.maxConnections;
    const settings = await readSettings(client);
    // Servers before 6.2 do not have it in INFO.
    const maxClients = Number(info.maxclients ?? settings.maxclients);
    report("maxclients", judgeMaxClients(needed, instances, maxClients));
    report("eviction", judgeEviction(info));
    report("persistence", judgePersistence(info, settings));
    report("replication", judgeReplication(info, settings));
    if (config.nearCache.maxEntries > 0) {
      report("near cache", judgeTracking(info, settings));
    }
  }
  if (config.readFrom !== "primary" && config.mode !== "standalone") {
    await run("replicas", () => checkReplicas(manager, client, config));
  }
  await run(
    "connections",
    async () => judgeOpen(await client.client("LIST"), config),
  );
  await run("user", () => judgeUser(client));
  await run("clock", () => compareClocks(client));
}

async function measureLatency(client: RedisClient): Promise<Verdict> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const startedAt = performance.now();
    await client.ping();
    times.push(performance.now() - startedAt);
  }
  times.sort((a, b) => a - b);
  const [p50, p99] = [times[PINGS / 2 - 1]!, times[PINGS - 2]!];
  const message = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms of ${PINGS} PINGs`;
  return p99 <= SLOW_MS ? ok(message) : warn(
    message,
    "the server is far away or busy: check SLOWLOG and the network",
  );
}

/** Settings that lose data; none where CONFIG is not allowed, as on hosted servers. */
async function readSettings(client: RedisClient): Promise<ServerInfo> {
  const found: Record<string, string | undefined> = {};
  for (const name of SETTINGS) {
    found[name] = settingOf(await client.config("GET", name).catch(() => undefined));
  }
  return found;
}

/** Share of the server's table from which on it is nearly full. */
const TABLE_SHARE = 0.9;

/** Whether the server can remember what near caches have read. */
export function judgeTracking(info: ServerInfo, settings: ServerInfo): Verdict {
  const keys = Number(info.tracking_total_keys);
  if (Number.isNaN(keys)) {
    return fail(
      "the server does not know CLIENT TRACKING: nothing is kept",
      "use Redis 6, Valkey or later, or set near_cache.max_entries to 0",
    );
  }
  const most = Number(settings["tracking-table-max-keys"]);
  const limit = most > 0 ? `${most}` : "no limit";
  const { tracking_clients = "?", tracking_total_prefixes = "0" } = info;
  const message = `CLIENT TRACKING holds ${keys} keys (${limit}) and ` +
    `${tracking_total_prefixes} prefixes for ${tracking_clients} connections`;
  return most > 0 && keys >= most * TABLE_SHARE
    ? warn(
      message,
      "the server drops keys at random, and announces them as changed: raise " +
        "tracking-table-max-keys, or set near_cache.prefixes",
    )
    : ok(message);
}

/** Keys that are looked for, so that the replicas of most shards are asked. */
const PROBED_KEYS = 64;
/** How long the replicas may take to answer, in milliseconds. */
const REPLICAS_MS = 3000;

async function checkReplicas(
  manager: RedisConnectionManager,
  client: RedisClient,
  { name, readFrom }: RedisConfig,
): Promise<Verdict> {
  const reader = client.with({ readFrom, timeoutMs: REPLICAS_MS });
  const reads = Array.from(
    { length: PROBED_KEYS },
    (_, i) => reader.exists(`mooring:doctor:${i}`),
  );
  // Without a replica that is in sync they fail in time.
  await Promise.allSettled(reads);
  return judgeReplicas(
    manager.getHealthStatus().databases[name]!.replicas ?? [],
    readFrom,
  );
}

/** Whether the replicas that reads go to are in sync. */
export function judgeReplicas(
  replicas: readonly ReplicaHealth[],
  readFrom: RedisConfig["readFrom"],
): Verdict {
  const list = replicas.map(({ endpoint, lagMs, reason, zone }) => {
    const lag = lagMs === null ? "" : `, ${Math.round(lagMs)} ms behind`;
    return `${endpoint} ${reason}${lag}${zone === null ? "" : `, zone ${zone}`}`;
  });
  const message = list.join("; ") || "no replica is known";
  if (replicas.every(({ state }) => state === "left_out")) {
    return readFrom === "replica"
      ? fail(message, "no read is answered: start a replica, or set read_from")
      : warn(message, "all reads go to the primary: start a replica, or set read_from");
  }
  return replicas.every(({ state }) => state === "in_sync") ? ok(message) : warn(
    message,
    "those that are left out get no reads until they are in sync",
  );
}

async function judgeUser(client: RedisClient): Promise<Verdict> {
  const user = String(await client.acl("WHOAMI"));
  const refused: string[] = [];
  for (const command of [["GET", "k"], ["SET", "k", "v"], ["INFO"]] as const) {
    try {
      const reply = await client.call("ACL", "DRYRUN", user, ...command);
      if (String(reply) !== "OK") refused.push(command[0]);
    } catch (error) {
      return skip(
        `what ${user} may run is not known: ${(error as Error).message}`,
        "ACL DRYRUN needs version 7 or later, and the permission to run it",
      );
    }
  }
  return refused.length === 0 ? ok(`${user} may run GET, SET and INFO`) : warn(
    `${user} may not run ${refused.join(", ")} on every key`,
    "change it with ACL SETUSER, or ignore this if it is intended",
  );
}

async function compareClocks(client: RedisClient): Promise<Verdict> {
  const startedAt = performance.now();
  const wall = Date.now();
  const [seconds, micros] = await client.time();
  const roundTripMs = performance.now() - startedAt;
  const serverMs = Number(seconds) * 1000 + Number(micros) / 1000;
  return judgeClock(serverMs, wall + roundTripMs / 2, roundTripMs);
}

/** Whether the server is of the kind that is configured. */
export function judgeServer(info: ServerInfo, mode: string): Verdict {
  const kind = info.redis_mode ?? info.server_mode ?? "unknown kind";
  const message = `version ${serverVersion(info)}, ${kind}`;
  if (kind === "cluster" && mode !== "cluster") {
    return warn(
      `${message}: keys of other nodes' slots are refused (MOVED)`,
      "set mode: cluster, with this server among nodes",
    );
  }
  return kind !== "sentinel" ? ok(message) : fail(
    `${message}: it holds no data`,
    "set mode: sentinel, with this server among nodes, and sentinel_name",
  );
}

/** Whether the server accepts as many connections as all processes may open. */
export function judgeMaxClients(
  needed: number,
  instances: number,
  maxClients: number,
): Verdict {
  if (Number.isNaN(maxClients)) return skip("the server does not report it");
  const all = needed * instances;
  const message = `${counted(needed, "connection")} × ` +
    `${counted(instances, "instance")} = ${all}, maxclients ${maxClients}`;
  return all <= maxClients ? ok(message) : fail(
    message,
    "lower max_connections, set max_total_connections, or raise maxclients",
  );
}

/** Which connections of the database are open, from all processes and by `CLIENT LIST`.
 * What is held for long, as by clients of `createClient()`, subscribes or blocks. */
export function judgeOpen(
  list: unknown,
  { clientName, name }: Pick<RedisConfig, "clientName" | "name">,
): Verdict {
  if (clientName !== undefined) return skip("client_name says nothing of their purpose");
  const lines = String(list).split("\n");
  const [lanes, leases] = ["lane", "lease"].map((purpose) =>
    lines.filter((line) => line.includes(` name=mooring:${name}:${purpose} `))
  );
  const standing = leases!.filter((line) =>
    / flags=\w*[bP]| (?:sub|psub|ssub)=[1-9]/.test(line)
  );
  return ok(
    `${counted(lanes!.length, "lane")} and ${
      counted(leases!.length, "lease")
    }, of which ` +
      `${standing.length} subscribe or block (such as clients of createClient())`,
  );
}

/** What the server does when its memory is full. */
export function judgeEviction(info: ServerInfo): Verdict {
  const policy = info.maxmemory_policy;
  if (policy === undefined) return skip("the server does not report it");
  const limit = Number(info.maxmemory ?? 0);
  const message = limit === 0
    ? `no maxmemory; policy ${policy}`
    : `maxmemory ${limit} bytes; policy ${policy}`;
  return limit === 0 || !policy.startsWith("allkeys") ? ok(message) : warn(
    `${message}: keys without expiry are evicted too`,
    "fine for a cache; otherwise use noeviction or a volatile policy",
  );
}

/** What is lost when the server stops. */
export function judgePersistence(info: ServerInfo, settings: ServerInfo): Verdict {
  const checkDisk = "check the server's log; make room on its disk";
  const useAof = "fine for a cache; otherwise set appendonly yes";
  if (info.rdb_last_bgsave_status === "err") {
    return fail("the last save failed", checkDisk);
  }
  const { appendfsync, save } = settings;
  if (info.aof_enabled === "1") {
    if (info.aof_last_write_status === "err") {
      return fail("the last write to the append-only file failed", checkDisk);
    }
    const message = `append-only file, fsync ${appendfsync ?? "unknown"}`;
    return appendfsync === "no"
      ? warn(message, "set appendfsync everysec or always")
      : ok(message);
  }
  if (save === "") {
    return warn("no snapshots, no append-only file: a restart loses everything", useAof);
  }
  if (settings["stop-writes-on-bgsave-error"] === "no") {
    return warn(
      "writes go on when snapshots fail (stop-writes-on-bgsave-error no)",
      "set it to yes, or watch rdb_last_bgsave_status",
    );
  }
  const when = save === undefined ? "" : ` (save ${save})`;
  const message = `snapshots only${when}: a crash loses writes since the last one`;
  return warn(message, useAof);
}

/** Whether the server is a primary, and whether it acknowledges writes without a replica. */
export function judgeReplication(info: ServerInfo, settings: ServerInfo): Verdict {
  if (info.role === undefined) return skip("the server does not report it");
  if (info.role !== "master") {
    return warn(
      `it is a replica, its link is ${info.master_link_status ?? "unknown"}`,
      "it accepts no writes: connect to the primary",
    );
  }
  const replicas = Number(info.connected_slaves ?? 0);
  const wanted = settings["min-replicas-to-write"];
  const message = `primary with ${counted(replicas, "replica")}` +
    (wanted === undefined ? "" : `, min-replicas-to-write ${wanted}`);
  return replicas === 0 || wanted !== "0" ? ok(message) : warn(
    message,
    "a failover can lose acknowledged writes: set min-replicas-to-write 1",
  );
}

/** Compares the server's clock with ours, which was read in the middle of a round trip. */
export function judgeClock(
  serverMs: number,
  oursMs: number,
  roundTripMs: number,
): Verdict {
  const offMs = Math.round(serverMs - oursMs);
  const message = `the server's clock is ${Math.abs(offMs)} ms ` +
    `${offMs < 0 ? "behind" : "ahead"} (±${Math.ceil(roundTripMs / 2)} ms)`;
  return Math.abs(offMs) <= 1000 + roundTripMs / 2 ? ok(message) : warn(
    message,
    "run a time service on both: EXPIREAT and timestamps are wrong",
  );
}
