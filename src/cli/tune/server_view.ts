import type { RedisClient, RedisConfig, RedisConnectionManager } from "../../../mod.ts";
import { counted } from "../numbers.ts";
import { parseInfo, type ServerInfo, serverVersion, settingOf } from "../server_info.ts";
import { managerFor } from "./contender.ts";

/** Facts about a server. */
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
  /** Threads that read and write sockets; 1 if it does not say. */
  readonly ioThreads: number;
  /** Most clients that it accepts; 0 if it does not say. */
  readonly maxClients: number;
}

/**
 * Why a server appears to be in use.
 *
 * @param facts Facts about it.
 * @returns The reasons; empty if it appears to be unused.
 */
export function usageSigns(facts: ServerFacts): string[] {
  const count = (n: number, noun: string) => n > 0 ? [counted(n, noun)] : [];
  return [
    ...count(facts.keys, "key"),
    ...count(facts.otherClients, "other client"),
    ...count(facts.replicas, "replica"),
    ...(facts.role === "slave" ? ["it is a replica itself"] : []),
    ...(facts.isCluster ? ["it is a node of a cluster"] : []),
  ];
}

/** Counters of a server, which grow while it works. */
interface ServerSample {
  /** CPU seconds of the process; `null` if it does not say. */
  readonly cpuSeconds: number | null;
  /** Bytes that it received. */
  readonly bytesIn: number;
  /** Bytes that it sent. */
  readonly bytesOut: number;
}

/** Name of the database, and so of the connection, that asks. */
const NAME = "tune-watch";
/** Keys that are removed at once. */
const PER_COMMAND = 256;

/** A connection beside those that are measured, which asks the server. */
export class ServerView implements AsyncDisposable {
  readonly #manager: RedisConnectionManager;

  /** Connects at the first call. */
  constructor(config: RedisConfig) {
    this.#manager = managerFor({ config, name: NAME, lanes: 1, leases: 0 });
  }

  /** Fails at once where the server is not reached, in place of waiting for it. */
  #client(): Promise<RedisClient> {
    return this.#manager.getAsyncClient(NAME);
  }

  /** What the server is. */
  async facts(): Promise<ServerFacts> {
    const client = await this.#client();
    const info = await this.#info();
    const number = (name: string) => Number(info[name] ?? 0);
    const names = await this.#names();
    const threads = await client.config("GET", "io-threads").catch(() => undefined);
    return {
      version: serverVersion(info),
      role: info.role ?? "unknown",
      replicas: number("connected_slaves"),
      isCluster: info.cluster_enabled === "1",
      otherClients: names.length === 0
        ? Math.max(0, number("connected_clients") - 1)
        : names.filter((name) => !name.startsWith(`mooring:${NAME}:`)).length,
      keys: Object.entries(info).filter(([name]) => /^db\d+$/.test(name))
        .reduce((sum, [, value]) => sum + Number(/keys=(\d+)/.exec(value!)?.[1] ?? 0), 0),
      ioThreads: Number(settingOf(threads)) || 1,
      maxClients: number("maxclients"),
    };
  }

  /** Its counters now. */
  async sample(): Promise<ServerSample> {
    const info = await this.#info();
    const number = (name: string) => Number(info[name] ?? NaN);
    const cpu = number("used_cpu_user") + number("used_cpu_sys");
    return {
      cpuSeconds: Number.isNaN(cpu) ? null : cpu,
      bytesIn: number("total_net_input_bytes"),
      bytesOut: number("total_net_output_bytes"),
    };
  }

  /** How many connections have a name with this prefix; 0 if it does not say. */
  async connections(namePrefix: string): Promise<number> {
    return (await this.#names()).filter((name) => name.startsWith(namePrefix)).length;
  }

  /** Removes keys, whether or not they exist. */
  async remove(keys: readonly string[]): Promise<void> {
    const client = await this.#client();
    for (let i = 0; i < keys.length; i += PER_COMMAND) {
      await client.del(...keys.slice(i, i + PER_COMMAND));
    }
  }

  /** Disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#manager.closeAll();
  }

  async #info(): Promise<ServerInfo> {
    return parseInfo(String(await (await this.#client()).info()));
  }

  /** Names of all connections; empty where an ACL forbids it. */
  async #names(): Promise<string[]> {
    const list = await (await this.#client()).client("LIST").catch(() => "");
    return String(list).split("\n").filter((line) => line !== "")
      .map((line) => /(?:^| )name=(\S*)/.exec(line)?.[1] ?? "");
  }
}
