import { RedisDatabase } from "../config/databases.ts";
import { checkMaxClients, type ManagerConfig, type RedisConfig } from "../config/mod.ts";
import { endpointOf } from "../config/resolve/checks.ts";
import type { Connection } from "../connection/connection.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { UnknownDatabaseError } from "../core/errors/mod.ts";
import { ConnectionState } from "../core/events.ts";
import type { NearCache } from "../near_cache/near_cache.ts";
import type { ManagerStats, RedisStats } from "../observability/metrics.ts";
import type {
  DatabaseHealth,
  DatabaseListing,
  HealthStatus,
} from "../observability/types.ts";
import type { DatabaseName } from "./compat.ts";
import type { Database } from "./database.ts";

/** A manager's databases: by name, and summed up. */
export class Databases {
  readonly #byName = new Map<string, Database>();
  readonly #fallsBack: boolean;

  /** With `fallsBack`, an unknown name stands for `main`. */
  constructor(fallsBack: boolean) {
    this.#fallsBack = fallsBack;
  }

  /** All of them, in the order in which they were added. */
  get all(): readonly Database[] {
    return [...this.#byName.values()];
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  add(database: Database): void {
    this.#byName.set(database.name, database);
  }

  /** Finds a database by its name, or its number in `RedisDatabase`; throws an
   * `UnknownDatabaseError` if there is none. */
  find(database: DatabaseName = "main"): Database {
    const names = namesOf(database);
    for (const name of this.#fallsBack ? [...names, "main"] : names) {
      const found = this.#byName.get(name);
      if (found !== undefined) return found;
    }
    const note = typeof database === "number" ? this.#noteOn(database) : undefined;
    throw new UnknownDatabaseError(names[0]!, [...this.#byName.keys()], note);
  }

  /** Name, number, endpoint, description and state of each. */
  list(): DatabaseListing[] {
    return this.all.map(({ config, name, servers }) => {
      const { state, endpoint } = servers.health();
      const { db, description } = config;
      return Object.freeze({ name, db, endpoint, description, state });
    });
  }

  /** How well they serve, all together. */
  health(): HealthStatus {
    const entries = this.all.map((each) => [each.name, each.servers.health()] as const);
    const counts = countStates(entries.map(([, health]) => health));
    return Object.freeze({
      overallHealthy: counts.healthyDatabases === counts.totalDatabases,
      ...counts,
      databases: Object.freeze(Object.fromEntries(entries)),
    });
  }

  /** What they did, all together. */
  statistics(
    times: Pick<ManagerStats, "uptimeSeconds" | "windowSeconds">,
  ): ManagerStats {
    const stats = this.all.map((database) => database.stats.commands());
    const sum = (pick: (s: RedisStats) => number) =>
      stats.reduce((total, s) => total + pick(s), 0);
    const succeeded = sum((s) => s.successfulOperations);
    const total = succeeded + sum((s) => s.failedOperations);
    return Object.freeze({
      ...countStates(this.all.map(({ servers }) => servers.health())),
      totalOperations: total,
      cacheHits: sum((s) => s.cacheHits),
      cacheMisses: sum((s) => s.cacheMisses),
      bytesSent: sum((s) => s.bytesSent),
      bytesReceived: sum((s) => s.bytesReceived),
      ...times,
      overallSuccessRate: total === 0 ? 100 : (succeeded / total) * 100,
      databaseStats: Object.freeze(
        Object.fromEntries(stats.map((s) => [s.databaseName, s])),
      ),
    });
  }

  /** A number stands for a name, whatever number the database of another name has. */
  #noteOn(number: number): string {
    const numbers = this.all.map(({ config: { db, name } }) => `${name} has ${db}`);
    const names = namesOf(number).map((name) => `"${name}"`).join(" or ");
    const meant = names === `"${number}"` ? "no name" : names;
    const same = this.all.filter(({ config }) => config.db === number);
    const advice = same.map(({ name }) => `"${name}"`).join(" or ") || "a name";
    return `${number} stands for ${meant} of RedisDatabase, whichever numbers databases ` +
      `have (${numbers.join(", ")}): ask for ${advice}`;
  }
}

/** Names that a database may go by: a number of {@linkcode RedisDatabase} can have two. */
function namesOf(database: DatabaseName): string[] {
  if (typeof database === "string") return [database];
  const names = Object.entries(RedisDatabase)
    .filter(([, number]) => number === database)
    .map(([name]) => name.toLowerCase());
  return names.length === 0 ? [String(database)] : names;
}

/** How many databases are in each state. */
function countStates(healths: readonly DatabaseHealth[]) {
  const count = (wanted: ConnectionState) =>
    healths.filter(({ state }) => state === wanted).length;
  return {
    totalDatabases: healths.length,
    healthyDatabases: count(ConnectionState.HEALTHY),
    degradedDatabases: count(ConnectionState.DEGRADED),
    failedDatabases: count(ConnectionState.FAILED),
  };
}

/** The near caches of each server: what one database of a manager writes, those of all its
 * databases forget, also those that are added later. */
export class NearCaches {
  readonly #byServer = new Map<string, Set<NearCache>>();

  /** Those of a database's server. */
  of(config: RedisConfig): Set<NearCache> {
    const server = endpointOf(config);
    let caches = this.#byServer.get(server);
    if (caches === undefined) this.#byServer.set(server, caches = new Set());
    return caches;
  }
}

/** When a server is asked over a lane, in milliseconds after it was opened: no command of a
 * program that has just begun, or ends soon, waits behind that. */
const CHECK_AFTER_MS = 1000;
/** How long the server may take to answer, in milliseconds. */
const TIMEOUT_MS = 5000;

/** Compares what a configuration may open with the `maxclients` of its servers, once each. */
export class CapacityCheck {
  readonly #config: ManagerConfig;
  readonly #warn: (database: string, message: string) => void;
  readonly #clock: Clock;
  /** The check of each server, made or to come, by its endpoint. */
  readonly #checks = new Map<string, Timer | undefined>();

  /** `warn` is called for a server that takes fewer connections than may be opened. */
  constructor(
    config: ManagerConfig,
    warn: (database: string, message: string) => void,
    clock: Clock,
  ) {
    this.#config = config;
    this.#warn = warn;
    this.#clock = clock;
  }

  /** Checks the server of a connection that was opened, if it is the first one to it. One that
   * is for leases is asked before anybody has it: what its holder does is not disturbed. */
  opened(
    database: RedisConfig,
    connection: Connection,
    purpose: "lane" | "lease",
  ): void {
    if (this.#checks.has(connection.endpoint)) return;
    const check = () => this.#check(database, connection);
    const isLane = purpose === "lane";
    const timer = isLane ? this.#clock.setTimer(check, CHECK_AFTER_MS) : undefined;
    this.#checks.set(connection.endpoint, timer);
    if (!isLane) check();
  }

  /** Makes none of the checks that are to come. */
  close(): void {
    for (const timer of this.#checks.values()) timer?.cancel();
  }

  async #check(database: RedisConfig, connection: Connection): Promise<void> {
    const answer = await connection.query(TIMEOUT_MS, "info", "clients");
    // The next connection is asked in place of one that was lost.
    if (answer === undefined) this.#checks.delete(connection.endpoint);
    if (answer === undefined || "error" in answer) return;
    const { reply } = answer;
    const text = reply instanceof Uint8Array
      ? new TextDecoder().decode(reply)
      : String(reply);
    const found = /^maxclients:(\d+)/m.exec(text)?.[1];
    if (found === undefined) return;
    const warning = checkMaxClients(this.#config, database, Number(found));
    if (warning !== undefined) this.#warn(database.name, warning);
  }
}
