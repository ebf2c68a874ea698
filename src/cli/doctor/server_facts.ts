import { serverMode, serverVersion } from "../server_version.ts";

/** Lines `name:value` of INFO by name. */
export type Info = Readonly<Record<string, string>>;

/**
 * Reads an INFO reply.
 *
 * @param text The reply.
 * @returns Its values by name.
 */
export function parseInfo(text: string): Info {
  return Object.fromEntries(
    text.split(/\r?\n/).flatMap((line) => {
      const at = line.indexOf(":");
      return line.startsWith("#") || at === -1
        ? []
        : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
}

/** What a check found: a line without its scope and name. */
export interface Verdict {
  /** How it is. */
  readonly status: "ok" | "warn" | "fail" | "skip";
  /** What was found. */
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

/**
 * Judges what kind of server it is, and whether it is the kind that is configured.
 *
 * @param info INFO server.
 * @param mode How the configuration says that it is found.
 * @returns The verdict.
 */
export function judgeServer(info: Info, mode: string): Verdict {
  const read = (name: string) => info[name];
  const kind = serverMode(read);
  const message = `version ${serverVersion(read)}, ${kind}`;
  if (kind === "cluster" && mode !== "cluster") {
    return {
      status: "warn",
      message: `${message}: keys of other nodes' slots are refused (MOVED)`,
      advice: "set mode: cluster, with this server among nodes",
    };
  }
  if (kind === "sentinel") {
    return {
      status: "fail",
      message: `${message}: it holds no data`,
      advice: "set mode: sentinel, with this server among nodes, and sentinel_name",
    };
  }
  return { status: "ok", message };
}

/**
 * Compares what all processes together may open with what the server takes.
 *
 * @param needed Most connections of one process to the server.
 * @param instances Processes.
 * @param maxClients The server's `maxclients`.
 * @returns The verdict.
 */
export function judgeMaxClients(
  needed: number,
  instances: number,
  maxClients: number,
): Verdict {
  const all = needed * instances;
  const message = `${needed} connections × ${instances} ` +
    `${instances === 1 ? "instance" : "instances"} = ${all}, maxclients ${maxClients}`;
  if (all <= maxClients) return { status: "ok", message };
  return {
    status: "fail",
    message,
    advice: "lower max_connections, set max_total_connections, or raise maxclients",
  };
}

/**
 * Judges what the server does when its memory is full.
 *
 * @param info INFO memory.
 * @returns The verdict.
 */
export function judgeEviction(info: Info): Verdict {
  const policy = info.maxmemory_policy;
  if (policy === undefined) {
    return { status: "skip", message: "the server does not tell" };
  }
  const limit = Number(info.maxmemory ?? 0);
  const message = limit === 0
    ? `no maxmemory; policy ${policy}`
    : `maxmemory ${limit} bytes; policy ${policy}`;
  if (limit > 0 && policy.startsWith("allkeys")) {
    return {
      status: "warn",
      message: `${message}: keys without expiry are evicted too`,
      advice: "fine for a cache; for data use noeviction or a volatile policy",
    };
  }
  return { status: "ok", message };
}

/**
 * Judges what is lost when the server stops.
 *
 * @param info INFO persistence.
 * @param settings Settings by name, as far as the user may see them.
 * @returns The verdict.
 */
export function judgePersistence(info: Info, settings: Info): Verdict {
  if (info.rdb_last_bgsave_status === "err") {
    return {
      status: "fail",
      message: "the last save failed",
      advice: "look into the server's log; make room on its disk",
    };
  }
  const { save, appendfsync } = settings;
  const stops = settings["stop-writes-on-bgsave-error"];
  if (info.aof_enabled === "1") {
    if (info.aof_last_write_status === "err") {
      return {
        status: "fail",
        message: "the last write to the append-only file failed",
        advice: "look into the server's log; make room on its disk",
      };
    }
    const message = `append-only file, fsync ${appendfsync ?? "unknown"}`;
    return appendfsync === "no"
      ? { status: "warn", message, advice: "set appendfsync everysec or always" }
      : { status: "ok", message };
  }
  if (save === "") {
    return {
      status: "warn",
      message: "no snapshots, no append-only file: a restart loses everything",
      advice: "fine for a cache; for data set appendonly yes",
    };
  }
  if (stops === "no") {
    return {
      status: "warn",
      message: "writes go on when snapshots fail (stop-writes-on-bgsave-error no)",
      advice: "set it to yes, or watch rdb_last_bgsave_status",
    };
  }
  const when = save === undefined ? "" : ` (save ${save})`;
  return {
    status: "warn",
    message: `snapshots only${when}: a crash loses what came after the last one`,
    advice: "fine for a cache; for data set appendonly yes",
  };
}

/**
 * Judges whether a primary takes writes that no replica has.
 *
 * @param info INFO replication.
 * @param settings Settings by name, as far as the user may see them.
 * @returns The verdict.
 */
export function judgeReplication(info: Info, settings: Info): Verdict {
  if (info.role === undefined) {
    return { status: "skip", message: "the server does not tell" };
  }
  if (info.role !== "master") {
    return {
      status: "warn",
      message: `it is a replica, its link is ${info.master_link_status ?? "unknown"}`,
      advice: "it takes no writes: connect to the primary",
    };
  }
  const replicas = Number(info.connected_slaves ?? 0);
  const wanted = settings["min-replicas-to-write"];
  const message = `primary with ${replicas} replicas` +
    (wanted === undefined ? "" : `, min-replicas-to-write ${wanted}`);
  if (replicas > 0 && wanted === "0") {
    return {
      status: "warn",
      message,
      advice: "a failover can lose acknowledged writes: set min-replicas-to-write 1",
    };
  }
  return { status: "ok", message };
}

/**
 * Compares clocks.
 *
 * @param serverMs The server's time, in milliseconds since the epoch.
 * @param oursMs Ours, in the middle of the question.
 * @param roundTripMs How long the question took.
 * @returns The verdict.
 */
export function judgeClock(
  serverMs: number,
  oursMs: number,
  roundTripMs: number,
): Verdict {
  const offMs = Math.round(serverMs - oursMs);
  const message = `the server's clock is ${Math.abs(offMs)} ms ` +
    `${offMs < 0 ? "behind" : "ahead"} (±${Math.ceil(roundTripMs / 2)} ms)`;
  if (Math.abs(offMs) <= 1000 + roundTripMs / 2) return { status: "ok", message };
  return {
    status: "warn",
    message,
    advice: "run a time service on both: EXPIREAT and time stamps go wrong",
  };
}
