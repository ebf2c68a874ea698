import type { CommandConnection, QueryResult } from "./pending_command.ts";

/** What a server says of itself that decides whether its data set continues that of another. */
export interface ServerIdentity {
  /** The server process. */
  readonly runId: string;
  /** The history of its data set, which replicas share with their primary. */
  readonly replicationId: string;
  /** The history that it continued when it became a primary. */
  readonly earlierReplicationId: string;
  /** When the process was started at the latest, on this process's monotonic clock. */
  readonly startedAt: number;
  /** Whether no write that it has run can be lost when it is restarted. */
  readonly keepsAllWrites: boolean;
  /** The eviction policy under which it may remove keys; `undefined` if it removes none. */
  readonly eviction: string | undefined;
  /** Its wall clock when this process's monotonic clock was at 0, in milliseconds. */
  readonly epochMs: number;
}

/** Asks the server at the other end of a connection. Resolves with `undefined` if it does not
 * say what is needed. The questions are sent at once. */
export async function identifyServer(
  connection: CommandConnection,
  timeoutMs: number,
  now: () => number,
): Promise<ServerIdentity | undefined> {
  const ask = (name: string, ...args: string[]) =>
    connection.query(timeoutMs, name, ...args);
  const [info, config] = await Promise.all([
    ask("info", "server", "replication", "persistence", "memory"),
    ask("config", "get", "appendfsync"),
  ]);
  return readIdentity(textOf(info), textOf(config), now());
}

function textOf(result: QueryResult | undefined): string {
  if (result === undefined || !("reply" in result)) return "";
  const { reply } = result;
  return reply instanceof Map ? [...reply].flat().join() : String(reply);
}

/** Reads the replies to INFO and CONFIG GET. */
export function readIdentity(
  info: string,
  config: string,
  now: number,
): ServerIdentity | undefined {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1];
  const runId = field("run_id");
  const replicationId = field("master_replid");
  const uptime = Number(field("uptime_in_seconds") ?? NaN);
  if (!runId || !replicationId || Number.isNaN(uptime)) return undefined;
  const isLogged = field("aof_enabled") === "1" && config.includes("always");
  const policy = field("maxmemory_policy");
  const isBounded = field("maxmemory") !== "0" && policy !== "noeviction";
  return {
    runId,
    replicationId,
    earlierReplicationId: field("master_replid2") ?? "",
    // Whole seconds: the server may be almost a second older.
    startedAt: now - uptime * 1000,
    keepsAllWrites: isLogged && field("aof_last_write_status") === "ok",
    eviction: isBounded ? policy ?? "unknown" : undefined,
    epochMs: Number(field("server_time_usec") ?? NaN) / 1000 - now,
  };
}

/**
 * Why a write that an earlier server may have run could be missing in the data set of the
 * present one although somebody may have seen its effect; `undefined` if it cannot be.
 *
 * @param before The server that it was sent to.
 * @param present The server that does not know of it.
 * @param sentAt When it was sent first, on this process's monotonic clock.
 */
export function whyUnknown(
  before: ServerIdentity | undefined,
  present: ServerIdentity | undefined,
  sentAt: number,
): string | undefined {
  if (before === undefined || present === undefined) {
    const which = before === undefined ? "the server that it was sent to" : "the server";
    return `${which} did not say which it is (INFO, which its user has to be allowed)`;
  }
  const eviction = before.eviction ?? present.eviction;
  if (eviction !== undefined) {
    return `the server may have evicted what it remembered (maxmemory-policy ${eviction})`;
  }
  if (present.runId === before.runId) {
    return present.replicationId === before.replicationId
      ? undefined
      : "the server has taken over the data of another one since";
  }
  // A replica that was there before the write was sent, and took over.
  const isElder = present.startedAt < sentAt;
  const isHeir = present.earlierReplicationId === before.replicationId ||
    present.replicationId === before.replicationId;
  if (isElder && isHeir) return undefined;
  if (before.keepsAllWrites && present.keepsAllWrites) return undefined;
  return isElder
    ? "another server answers, and its data do not continue those of the first"
    : "the server was started anew, and what it had run last may be lost with its memory " +
      "(only appendonly yes with appendfsync always keeps all)";
}
