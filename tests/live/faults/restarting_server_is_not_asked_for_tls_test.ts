import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../support/clients.ts";

/** The first byte of a TLS record that holds a handshake. */
const TLS_HANDSHAKE = 0x16;

/** Stands before a server, and hangs up on every connection while that "restarts". */
class Doorman implements Disposable {
  isRestarting = false;
  /** First bytes of connections that were hung up on. */
  readonly firstBytes: number[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();

  constructor(server: RedisServer) {
    (async () => {
      for await (const client of this.#listener) void this.#admit(client, server);
    })();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Ends the connections that are open, and those to come. */
  restart(): void {
    this.isRestarting = true;
    for (const connection of this.#open) {
      try {
        connection.close();
      } catch {
        // Its other end has closed it already.
      }
    }
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.restart();
  }

  async #admit(client: Deno.TcpConn, server: RedisServer): Promise<void> {
    if (this.isRestarting) {
      const first = new Uint8Array(1);
      if (await client.read(first).catch(() => null) !== null) {
        this.firstBytes.push(first[0]!);
      }
      client.close();
      return;
    }
    const upstream = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    this.#open.add(client).add(upstream);
    await Promise.allSettled([
      client.readable.pipeTo(upstream.writable),
      upstream.readable.pipeTo(client.writable),
    ]);
  }
}

function managerOf({ port }: Doorman): RedisConnectionManager {
  return new RedisConnectionManager({
    host: "127.0.0.1",
    port,
    databases: { main: { db: 0 } },
  });
}

Deno.test("a server that was reached is not asked for TLS while it restarts", async () => {
  await using server = await RedisServer.start();
  using doorman = new Doorman(server);
  await using manager = managerOf(doorman);
  const client = manager.getClient("main");
  await client.set("k", "v");
  doorman.restart();
  const read = client.get("k");
  // HELLO, and the same attempt without it: three attempts and more.
  await waitFor(() => doorman.firstBytes.length >= 6);
  doorman.isRestarting = false;
  assertEquals(await read, "v");
  assert(!doorman.firstBytes.includes(TLS_HANDSHAKE), doorman.firstBytes.join());
});

Deno.test("a server that never was reached is asked for TLS", async () => {
  await using server = await RedisServer.start();
  using doorman = new Doorman(server);
  doorman.restart();
  await using manager = managerOf(doorman);
  const read = manager.getClient("main").get("k");
  await waitFor(() => doorman.firstBytes.includes(TLS_HANDSHAKE));
  doorman.isRestarting = false;
  assertEquals(await read, null);
});
