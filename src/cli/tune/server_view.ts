import { serverVersion } from "../server_version.ts";
import type { RedisClient, RedisConfig, RedisConnectionManager } from "../../../mod.ts";
import { managerFor } from "./mooring.ts";

/** What a server says of itself. */
export interface ServerFacts {
  /** Version. */
  readonly version: string;
  /** `master` or `slave`. */
  readonly role: string;
  /** Replicas that follow it. */
  readonly replicas: number;
  /** Whether it is a node of a cluster. */
  readonly isCluster: boolean;
  /** Connections that are not this program's. */
  readonly otherClients: number;
  /** Keys in all databases. */
  readonly keys: number;
  /** Threads that read and write sockets; 1 if it does not tell. */
  readonly ioThreads: number;
  /** Most clients that it takes; 0 if it does not tell. */
  readonly maxClients: number;
}

/** What grows while a server works. */
export interface ServerSample {
  /** CPU seconds of the process; `null` if it does not tell. */
  readonly cpuSeconds: number | null;
  /** Bytes that it got. */
  readonly bytesIn: number;
  /** Bytes that it sent. */
  readonly bytesOut: number;
}

/** Name of the database, and so of the connection, that asks. */
const NAME = "tune-watch";
/** Keys that are removed at once. */
const PER_COMMAND = 256;

/**
 * Reads the fields of INFO.
 *
 * @param text The reply.
 * @returns Value by name.
 */
export function parseInfo(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^([^#:\r\n]+):(.*?)\r?$/gm)].map(([, name, value]) => [
      name!,
      value!,
    ]),
  );
}

/** A connection beside those that are measured, which asks the server. */
export class ServerView implements AsyncDisposable {
  readonly #manager: RedisConnectionManager;
  readonly #client: RedisClient;

  private constructor(manager: RedisConnectionManager, client: RedisClient) {
    this.#manager = manager;
    this.#client = client;
  }

  /**
   * Connects.
   *
   * @param config Where the server is.
   * @returns The view.
   * @throws {RedisManagerError} If it cannot be reached.
   */
  static async open(config: RedisConfig): Promise<ServerView> {
    const manager = managerFor(config, NAME, { lanes: 1, leases: 0 });
    try {
      return new ServerView(manager, await manager.getAsyncClient(NAME));
    } catch (error) {
      await manager.closeAll();
      throw error;
    }
  }

  /** What the server is. */
  async facts(): Promise<ServerFacts> {
    const info = await this.#info();
    const number = (name: string) => Number(info.get(name) ?? 0);
    return {
      version: serverVersion((name) => info.get(name)),
      role: info.get("role") ?? "unknown",
      replicas: number("connected_slaves"),
      isCluster: info.get("cluster_enabled") === "1",
      otherClients: await this.#otherClients(number("connected_clients")),
      keys: countKeys(info),
      ioThreads: await this.#ioThreads(),
      maxClients: number("maxclients"),
    };
  }

  /** What it has done by now. */
  async sample(): Promise<ServerSample> {
    const info = await this.#info();
    const number = (name: string) => Number(info.get(name) ?? NaN);
    const cpu = number("used_cpu_user") + number("used_cpu_sys");
    return {
      cpuSeconds: Number.isNaN(cpu) ? null : cpu,
      bytesIn: number("total_net_input_bytes"),
      bytesOut: number("total_net_output_bytes"),
    };
  }

  /**
   * Connections by their name.
   *
   * @param namePrefix What the name begins with.
   * @returns How many there are; 0 if it does not tell.
   */
  async connections(namePrefix: string): Promise<number> {
    return (await this.#names()).filter((name) => name.startsWith(namePrefix)).length;
  }

  /**
   * Removes keys.
   *
   * @param keys The keys; those that do not exist do no harm.
   */
  async remove(keys: readonly string[]): Promise<void> {
    for (let i = 0; i < keys.length; i += PER_COMMAND) {
      await this.#client.del(...keys.slice(i, i + PER_COMMAND));
    }
  }

  /** Disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#manager.closeAll();
  }

  async #info(): Promise<Map<string, string>> {
    return parseInfo(String(await this.#client.info()));
  }

  async #names(): Promise<string[]> {
    try {
      const list = String(await this.#client.client("LIST"));
      return list.split("\n").filter((line) => line !== "")
        .map((line) => /(?:^| )name=(\S*)/.exec(line)?.[1] ?? "");
    } catch {
      // An ACL may forbid it: then nothing is known of names.
      return [];
    }
  }

  async #otherClients(connected: number): Promise<number> {
    const names = await this.#names();
    if (names.length === 0) return Math.max(0, connected - 1);
    return names.filter((name) => !name.startsWith(`mooring:${NAME}:`)).length;
  }

  async #ioThreads(): Promise<number> {
    try {
      const reply = await this.#client.config("GET", "io-threads");
      const value = Array.isArray(reply) ? reply[1] : Object.values(Object(reply))[0];
      return Number(value ?? 1) || 1;
    } catch {
      return 1;
    }
  }
}

function countKeys(info: ReadonlyMap<string, string>): number {
  let keys = 0;
  for (const [name, value] of info) {
    if (/^db\d+$/.test(name)) keys += Number(/keys=(\d+)/.exec(value)?.[1] ?? 0);
  }
  return keys;
}
