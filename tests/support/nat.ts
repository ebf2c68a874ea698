/**
 * Servers behind a NAT: what they announce is reached from inside alone.
 *
 * @module
 */
import { FaultProxy } from "../../src/testing/fault_proxy.ts";
import type { RedisServerConfig } from "../../src/testing/redis_config.ts";
import { RedisServer } from "../../src/testing/redis_server.ts";
import { waitFor } from "../../src/testing/wait.ts";
import { canFilterPackets, PacketLoss } from "./packet_filter.ts";

/**
 * A network inside loopback. Its servers talk to each other at an address of it, which is what
 * they announce; packets from outside, as this process sends them, are lost. Each server is
 * published at the port of a proxy.
 */
export class Nat implements AsyncDisposable {
  /** The address that servers of the network announce. */
  readonly inside: string;
  /** The published addresses by the announced ones: what `node_address_map` says. */
  readonly map: Record<string, string> = {};
  readonly #stack: AsyncDisposableStack;
  readonly #proxies = new Map<number, FaultProxy>();

  private constructor(inside: string, stack: AsyncDisposableStack) {
    this.inside = inside;
    this.#stack = stack;
  }

  /** Makes a network. Where the packet filter cannot be used, packets are not lost. */
  static async start(): Promise<Nat> {
    await using stack = new AsyncDisposableStack();
    const [a, b] = crypto.getRandomValues(new Uint8Array(2));
    const network = `127.${64 + a! % 64}.${b}`;
    if (await canFilterPackets()) {
      stack.use(await PacketLoss.toNetwork(`${network}.0/24`));
    }
    return new Nat(`${network}.1`, stack.move());
  }

  /** Directives of a server in the network. */
  get config(): RedisServerConfig {
    return {
      bind: `127.0.0.1 ${this.inside}`,
      "bind-source-addr": this.inside,
      // Its clients do not come from 127.0.0.1.
      "protected-mode": "no",
      "repl-diskless-sync-delay": "0",
    };
  }

  /** Publishes a server; returns where it is reached. */
  async publish({ port }: RedisServer): Promise<string> {
    const to = { host: "127.0.0.1", port };
    const proxy = this.#stack.use(await FaultProxy.start({ to }));
    this.#proxies.set(port, proxy);
    return this.map[`${this.inside}:${port}`] = `${proxy.host}:${proxy.port}`;
  }

  /** Starts a server that ends with the network, and publishes it. */
  async server(options: { args?: string[]; config?: RedisServerConfig } = {}) {
    const config = { ...this.config, ...options.config };
    const server = this.#stack.use(await RedisServer.start({ ...options, config }));
    await this.publish(server);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** A primary, replicas and sentinels behind a NAT. */
export async function startSentinelsBehind(
  nat: Nat,
  replicas: number,
  sentinels: number,
) {
  const config = { "replica-announce-ip": nat.inside };
  const primary = await nat.server({ config });
  const servers = [primary];
  for (let i = 0; i < replicas; i++) {
    servers.push(
      await nat.server({
        config: { ...config, replicaof: `${nat.inside} ${primary.port}` },
      }),
    );
  }
  const watchers: RedisServer[] = [];
  for (let i = 0; i < sentinels; i++) {
    watchers.push(
      await nat.server({
        args: ["--sentinel"],
        config: {
          sentinel: [
            `announce-ip ${nat.inside}`,
            `monitor mymaster ${nat.inside} ${primary.port} ${Math.ceil(sentinels / 2)}`,
            "down-after-milliseconds mymaster 1000",
            "failover-timeout mymaster 3000",
          ],
        },
      }),
    );
  }
  for (const watcher of watchers) {
    await watcher.cli("SENTINEL", "DEBUG", "INFO-PERIOD", 500, "PUBLISH-PERIOD", 250);
    await waitFor(async () => {
      const reply = await watcher.cli("SENTINEL", "MASTER", "mymaster") as string[];
      const field = (name: string) => Number(reply[reply.indexOf(name) + 1]);
      return field("num-slaves") === replicas &&
        field("num-other-sentinels") === sentinels - 1;
    }, { timeoutMs: 60_000, what: "sentinels that know each other" });
  }
  return { servers, sentinels: watchers };
}
