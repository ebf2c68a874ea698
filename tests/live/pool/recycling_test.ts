import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  CommandRefusedError,
  ConnectionLostError,
  LeaseReleasedError,
  type RedisConnectionManager,
} from "../../../mod.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";

/** One place for a lane, one for a lease: the next holder gets the same, if it is kept. */
const TWO = { databases: { main: { db: 1, maxConnections: 2 } } };

type Client = Awaited<ReturnType<RedisConnectionManager["acquire"]>>["client"];

/** What the next holder finds, and whether it is on the connection of the one before. */
async function hold(
  manager: RedisConnectionManager,
  use: (client: Client) => unknown,
): Promise<number> {
  const lease = await manager.acquire("main");
  const id = await lease.client.client("ID");
  await use(lease.client);
  lease.release();
  return id;
}

/** Leaves something on a connection; looks whether the next holder gets it, and how. */
async function passOn(
  manager: RedisConnectionManager,
  leave: (client: Client) => unknown,
  look: (client: Client) => unknown = () => {},
): Promise<{ kept: boolean }> {
  const first = await hold(manager, leave);
  const second = await hold(manager, look);
  return { kept: first === second };
}

Deno.test("lease.release() undoes WATCH, MULTI and SELECT, and keeps the connection", () =>
  withManager(TWO, async ({ manager, server }) => {
    const { kept } = await passOn(manager, async (client) => {
      await client.watch("w");
      await client.multi({ pipeline: false });
      await client.set("queued", 1);
    }, async (client) => {
      await server.cli("SELECT", "1");
      await server.cli("SET", "w", "changed");
      assertEquals(await client.multi().get("queued").exec(), [[null, null]]);
    });
    assertEquals(kept, true);
    const selected = await passOn(
      manager,
      (client) => client.select(7),
      async (client) => {
        await client.set("here", 1);
        assertEquals(await server.cli("EXISTS", "here"), 1);
      },
    );
    assertEquals(selected.kept, true);
  }));

Deno.test("lease.release() unwatches although EXEC failed before", () =>
  withManager(TWO, async ({ manager, server }) => {
    await server.cli("SELECT", "1");
    const { kept } = await passOn(manager, async (client) => {
      await client.watch("w");
      await assertRejects(() => client.exec(), Error, "EXEC without MULTI");
    }, async (client) => {
      await server.cli("SET", "w", "changed");
      assertEquals(await client.multi().ping().exec(), [[null, "PONG"]]);
    });
    assertEquals(kept, true);
  }));

Deno.test("lease.release() undoes CLIENT SETNAME, TRACKING and NO-EVICT", () =>
  withManager(TWO, async ({ manager, server }) => {
    const { kept } = await passOn(manager, async (client) => {
      await client.client("SETNAME", "mine");
      await client.client("TRACKING", "ON");
      await client.client("NO-EVICT", "ON");
    }, async (client) => {
      assertEquals(await client.client("GETNAME"), "mooring:main:lease");
      const info = String(await client.call("CLIENT", "TRACKINGINFO"));
      assert(info.includes("off"), info);
    });
    assertEquals(kept, true);
    assertEquals((await server.clientList("mine")).length, 0);
  }));

Deno.test("lease.release() destroys a connection that cannot be made clean", () =>
  withManager(TWO, async ({ manager, server }) => {
    const left: [string, (client: Client) => unknown][] = [
      ["SUBSCRIBE", (client) => client.subscribe("c")],
      ["PSUBSCRIBE", (client) => client.psubscribe("c*")],
      ["SSUBSCRIBE", (client) => client.ssubscribe("c")],
      ["HELLO 2", (client) => client.call("HELLO", "2")],
      ["RESET", (client) => client.call("RESET").catch(() => {})],
      ["CLIENT REPLY", (client) => void client.client("REPLY", "OFF").catch(() => {})],
      ["MONITOR", (client) => client.monitor()],
      ["QUIT", (client) => client.quit()],
      ["disconnect()", (client) => client.disconnect()],
      ["READONLY", (client) => client.readonly().catch(() => {})],
    ];
    for (const [what, leave] of left) {
      const { kept } = await passOn(manager, leave, async (client) => {
        assertEquals(await client.echo("clean"), "clean", what);
      });
      assertEquals(kept, false, what);
    }
    await waitFor(async () =>
      (await server.clientList("mooring:main:lease")).length <= 1
    );
    assertEquals(await server.cli("PUBSUB", "CHANNELS"), []);
  }));

Deno.test("lease.release() takes off listeners, scripts, options and properties", () =>
  withManager(TWO, async ({ manager }) => {
    type Altered = Client & { mine?: number; twice?: unknown };
    const { kept } = await passOn(manager, async (client: Altered) => {
      client.defineCommand("twice", { numberOfKeys: 0, lua: "return 2 * ARGV[1]" });
      assertEquals(await (client.twice as (n: number) => unknown)(2), 4);
      client.mine = 1;
      client.get = () => Promise.resolve("wrapped");
      client.options.keyPrefix = "theirs:";
      client.on("select", () => {});
    }, async (client: Altered) => {
      assertEquals([client.mine, client.twice], [undefined, undefined]);
      assertEquals(client.listenerCount("select"), 0);
      assertEquals([await client.get("none"), client.options.keyPrefix], [null, ""]);
      assertEquals((client as unknown as { scriptsSet: object }).scriptsSet, {});
    });
    assertEquals(kept, true);
  }));

Deno.test("lease.release() waits for what is in flight, and its callers get their replies", () =>
  withManager(TWO, async ({ manager }) => {
    let slow: Promise<unknown> | undefined;
    const pipelined: Promise<unknown>[] = [];
    const { kept } = await passOn(manager, (client) => {
      slow = client.eval("for i = 1, 5e6 do end return 'done'", 0);
      pipelined.push(client.pipeline().echo("a").echo("b").exec());
      pipelined.push(client.multi().echo("c").exec());
    }, async (client) => assertEquals(await client.echo("mine"), "mine"));
    assertEquals([kept, await slow], [true, "done"]);
    assertEquals(await Promise.all(pipelined), [[[null, "a"], [null, "b"]], [[
      null,
      "c",
    ]]]);
  }));

Deno.test("lease.release() destroys a connection on which a blocking command is pending", () =>
  withManager(TWO, async ({ manager, server }) => {
    let pending: Promise<unknown> | undefined;
    const { kept } = await passOn(manager, (client) => {
      pending = client.blpop("q", 0);
      pending.catch(() => {});
    });
    assertEquals(kept, false);
    const error = await assertRejects(() => pending!, ConnectionLostError);
    assertEquals(error.delivery, "ambiguous");
    await waitFor(async () => (await server.info("clients")).blocked_clients === "0");
    await server.cli("SELECT", "1");
    await server.cli("RPUSH", "q", "v");
    assertEquals(await server.cli("LLEN", "q"), 1);
  }));

Deno.test("lease.client refuses to work after the release, by whatever reference", () =>
  withManager(TWO, async ({ manager, server }) => {
    const lease = await manager.acquire("main");
    const { client } = lease;
    client.defineCommand("answer", { numberOfKeys: 0, lua: "return 42" });
    const { answer } = client as unknown as { answer(): Promise<number> };
    const pipeline = client.pipeline().set("a", 1);
    const multi = client.multi().set("a", 1);
    const method = client.get.bind(client);
    const stream = client.scanStream();
    lease.release();
    assertEquals(lease.released, true);
    assertThrows(() => lease.client, LeaseReleasedError);
    const used: Record<string, () => Promise<unknown>> = {
      command: () => client.get("a"),
      "bound method": () => method("a"),
      callback: () =>
        new Promise((resolve, reject) =>
          void client.get("a", (error, value) => error ? reject(error) : resolve(value))
        ),
      call: () => client.call("GET", "a"),
      blocking: () => client.blpop("a", 0),
      subscribe: () => client.subscribe("a"),
      unsubscribe: () => client.unsubscribe(),
      script: () => answer.call(client),
      multi: () => multi.exec(),
      "new multi": () => client.multi().set("a", 1).exec(),
      connect: () => client.connect(),
      monitor: () => client.monitor(),
      quit: () => client.quit(),
      stream: async () => {
        for await (const _keys of stream);
      },
      "new stream": async () => {
        for await (const _keys of client.scanStream());
      },
    };
    for (const [how, use] of Object.entries(used)) {
      // Called outside of assertRejects(): it must reject, not throw.
      const outcome = use();
      await assertRejects(() => outcome, LeaseReleasedError, undefined, how);
    }
    const [[error]] = (await pipeline.exec())!;
    assertInstanceOf(error, LeaseReleasedError);
    assertThrows(() => client.duplicate(), LeaseReleasedError);
    assertThrows(() => lease.release(), LeaseReleasedError);
    assertThrows(() => lease.destroy(), LeaseReleasedError);
    lease[Symbol.dispose]();
    const { release } = lease;
    assertThrows(() => release.call({} as typeof lease), TypeError);
    assertEquals(await server.cli("DBSIZE"), 0);
  }));

Deno.test("lease.client lets its listeners be taken off after the release, and touches nobody else's", () =>
  withManager(TWO, async ({ manager }) => {
    const first = await manager.acquire("main");
    const { client: kept } = first;
    const listener = () => {};
    kept.on("message", listener);
    first.release();
    await using next = await manager.acquire("main");
    const { client } = next;
    let heard = 0;
    client.on("message", () => heard++);
    kept.removeListener("message", listener);
    kept.off("message", listener);
    kept.removeAllListeners();
    kept.disconnect();
    kept.on("message", listener).once("end", listener);
    Object.assign(kept, { mine: 1 });
    delete (kept as unknown as { mine?: number }).mine;
    kept.options.keyPrefix = "mine:";
    assertEquals(
      [kept.listenerCount("message"), kept.listeners("ready"), kept.status],
      [1, [], "end"],
    );
    assertEquals(kept.eventNames().includes("message"), true);
    // The next holder has the same connection, and all of its own.
    assertEquals(client.listenerCount("message"), 1);
    assertEquals([client.status, "mine" in client, client.options.keyPrefix], [
      "ready",
      false,
      "",
    ]);
    await client.subscribe("news");
    await manager.getClient("main").publish("news", "ahoy");
    await waitFor(() => heard === 1);
  }));

Deno.test("lease.client is refused a duplicate, with advice", () =>
  withManager(TWO, async ({ manager }) => {
    await using lease = await manager.acquire("main");
    const error = assertThrows(() => lease.client.duplicate(), CommandRefusedError);
    assert(error.message.includes("acquire another lease"), error.message);
  }));

Deno.test("lease.client.monitor() listens on the lease's own connection", () =>
  withManager(TWO, async ({ manager, server }) => {
    const lease = await manager.acquire("main");
    const monitor = await lease.client.monitor();
    const heard: string[][] = [];
    monitor.on("monitor", (_time: string, args: string[]) => heard.push(args));
    await manager.getClient("main").set("seen", "x y");
    await waitFor(() => heard.some((args) => args[0] === "set"));
    assertEquals(heard.find((args) => args[0] === "set"), ["set", "seen", "x y"]);
    assertEquals((await server.clientList("mooring:")).length, 2);
    lease.release();
    await assertNoConnectionsLeft(server, "mooring:main:lease");
  }));

Deno.test("lease.client has options of its own, which no other holder sees", () =>
  withManager({ databases: { main: { maxConnections: 3 } } }, async ({ manager }) => {
    const [one, other] = [await manager.acquire("main"), await manager.acquire("main")];
    one.client.options.keyPrefix = "theirs:";
    assertEquals(other.client.options.keyPrefix, "");
    await other.client.set("k", "mine");
    assertEquals(await one.client.get("k"), null);
    assertEquals(await other.client.get("k"), "mine");
    one.release();
    other.release();
  }));

Deno.test("lease.client stands on one object of options for all that are idle, and has no method of its own", () =>
  withManager({ databases: { main: { maxConnections: 3 } } }, async ({ manager }) => {
    const seen = new Set<unknown>();
    const methods: unknown[] = [];
    for (let round = 0; round < 2; round++) {
      await using one = await manager.acquire("main");
      await using other = await manager.acquire("main");
      for (const { client } of [one, other]) {
        seen.add(client.options.Connector);
        methods.push(...Object.values(client).filter((it) => typeof it === "function"));
        // Whoever makes another client of them does not get this one's connection.
        const copy = new (client.constructor as new (options: object) => Client)({
          ...client.options,
          lazyConnect: true,
        });
        copy.on("error", () => {});
        await assertRejects(() => copy.connect(), Error, "opens no other connection");
      }
    }
    assertEquals([methods, seen.size], [[], 1]);
  }));
