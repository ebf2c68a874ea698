import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CommandRefusedError,
  CommandTimeoutError,
  ConnectError,
  ManagerClosedError,
  type ManagerEventMap,
  RedisConnectionManager,
  type SubscriptionItem,
} from "../../../mod.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { delay, waitFor, within } from "../../../src/testing/wait.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";

const MAIN = { databases: { main: { db: 0 } } };

Deno.test("manager.subscribe() hands messages to the handler, in order, once confirmed", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const heard: unknown[][] = [];
    await using subscription = await manager.subscribe(
      "main",
      ["news", "news"],
      (...args) => void heard.push(args),
    );
    assertEquals(await server.cli("PUBSUB", "NUMSUB", "news"), ["news", 1]);
    for (let i = 0; i < 100; i++) await server.cli("PUBLISH", "news", `é${i}`);
    await waitFor(() => heard.length === 100);
    assertEquals(heard[99], ["é99", "news", undefined]);
    assert(heard.every(([message], i) => message === `é${i}`));
    assertThrows(() => subscription[Symbol.asyncIterator](), TypeError);
  }));

Deno.test("manager.subscribe() iterates channels, patterns and shards without a handler", () =>
  withManager(
    { databases: { main: { db: 0, keyPrefix: "p:" } } },
    async ({ manager, server }) => {
      const subscription = await manager.subscribe("main", {
        channels: ["a"],
        patterns: ["b.*"],
        shards: ["s"],
      });
      await server.cli("PUBLISH", "a", "1");
      await server.cli("PUBLISH", "b.c", "2");
      // A shard channel is a key: the prefix is put before it, also when publishing.
      await manager.getClient("main").spublish("s", "3");
      await server.cli("SPUBLISH", "p:s", "4");
      const items: SubscriptionItem[] = [];
      for await (const item of subscription) {
        if (items.push(item) === 4) break;
      }
      assertEquals(items, [
        { kind: "message", channel: "a", message: "1" },
        { kind: "message", channel: "b.c", pattern: "b.*", message: "2" },
        { kind: "message", channel: "s", message: "3" },
        { kind: "message", channel: "s", message: "4" },
      ]);
      // Leaving the loop has unsubscribed.
      assertEquals(subscription.isClosed, true);
      await assertNoConnectionsLeft(server, "mooring:main:lease");
    },
  ));

Deno.test("manager.subscribe() gives bytes where asked", () =>
  withManager(MAIN, async ({ manager }) => {
    const subscription = await manager.subscribe("main", ["a"], undefined, {
      binary: true,
    });
    const bytes = new Uint8Array([0, 255, 128]);
    await manager.getClient("main").publish("a", Buffer.from(bytes));
    for await (const item of subscription) {
      assert(item.kind === "message" && item.message instanceof Uint8Array);
      assertEquals(new Uint8Array(item.message), bytes);
      break;
    }
  }));

Deno.test("manager.subscribe() shares one connection, a lease, among counted subscribers", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const subscribed = async () => {
      const reply = await server.cli("PUBSUB", "NUMSUB", "a", "b") as unknown[];
      return [reply[1], reply[3], (await server.clientList("mooring:")).length];
    };
    const none = () => {};
    const [first, second, third] = await Promise.all([
      manager.subscribe("main", ["a"], none),
      manager.subscribe("main", ["a", "b"], none),
      manager.subscribe("main", { patterns: ["x*"] }, none),
    ]);
    assertEquals(await subscribed(), [1, 1, 1]);
    assertEquals(manager.getPoolStatistics("main").leases, 1);
    await second.unsubscribe();
    assertEquals(await subscribed(), [1, 0, 1]);
    await first.unsubscribe();
    await first.unsubscribe();
    assertEquals(await subscribed(), [0, 0, 1]);
    await third.unsubscribe();
    await assertNoConnectionsLeft(server, "mooring:");
    assertEquals(manager.getPoolStatistics("main").leases, 0);
    // And again, on a connection of its own.
    const fourth = await manager.subscribe("main", ["a"], none);
    assertEquals(await subscribed(), [1, 0, 1]);
    await fourth.unsubscribe();
  }));

Deno.test("manager.subscribe() survives what handlers throw, and reports it", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const reported: ManagerEventMap["handlererror"][] = [];
    manager.addEventListener("handlererror", (event) => void reported.push(event.detail));
    const heard: string[] = [];
    await using _throwing = await manager.subscribe("main", ["a"], (message) => {
      heard.push(message);
      throw new Error(`cannot take ${message}`);
    });
    await using _rejecting = await manager.subscribe(
      "main",
      ["a"],
      () => Promise.reject("no"),
    );
    await server.cli("PUBLISH", "a", "1");
    await server.cli("PUBLISH", "a", "2");
    await waitFor(() => heard.length === 2 && reported.length === 4);
    assertEquals(reported.map((each) => each.channel), ["a", "a", "a", "a"]);
    assertEquals((await server.clientList("mooring:main:lease")).length, 1);
  }));

Deno.test("manager.closeAll() ends iterators and closes the connection at once", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const subscription = await manager.subscribe("main", ["a"]);
    const iterating = (async () => {
      for await (const _item of subscription);
      return "over";
    })();
    await delay(10);
    const startedAt = performance.now();
    await manager.closeAll({ drainMs: 60_000 });
    const tookMs = performance.now() - startedAt;
    assert(tookMs < 30_000, `closing waited for the subscriber: ${tookMs} ms`);
    assertEquals([await iterating, await subscription.closed], ["over", undefined]);
    await assertNoConnectionsLeft(server, "mooring:");
    await assertRejects(() => manager.subscribe("main", ["a"]), ManagerClosedError);
  }));

Deno.test("manager.subscribe() refuses nothing to subscribe to, what is no name, a pool of one, bad limits", () =>
  withManager(
    { databases: { main: { db: 0 }, one: { db: 1, maxConnections: 1 } } },
    async ({ manager, server }) => {
      await assertRejects(() => manager.subscribe("main", []), TypeError, "nothing");
      for (const name of [undefined, null, NaN, {}, new Uint8Array(1)] as never[]) {
        for (const targets of [["a", name], { patterns: [name] }, { shards: [name] }]) {
          await assertRejects(
            () => manager.subscribe("main", targets),
            TypeError,
            "name",
          );
        }
      }
      await assertRejects(() => manager.subscribe("one", ["a"]), CommandRefusedError);
      for (const options of [{ maxQueued: 0 }, { maxQueuedBytes: 1.5 }]) {
        await assertRejects(
          () => manager.subscribe("main", ["a"], undefined, options),
          RangeError,
        );
      }
      assertEquals((await server.clientList("mooring:")).length, 0);
    },
  ));

Deno.test("manager.subscribe() rejects where the server refuses a channel, for its caller alone", () =>
  withManager(MAIN, async ({ manager, server }) => {
    await server.cli("ACL", "SETUSER", "default", "resetchannels", "&open");
    const heard: string[] = [];
    await using _open = await manager.subscribe(
      "main",
      ["open"],
      (m) => void heard.push(m),
    );
    await assertRejects(
      () => manager.subscribe("main", ["open", "secret"], () => {}),
      Error,
      "NOPERM",
    );
    await server.cli("PUBLISH", "open", "still here");
    await waitFor(() => heard.length === 1);
    assertEquals(await server.cli("PUBSUB", "NUMSUB", "open"), ["open", 1]);
  }));

Deno.test("manager.subscribe() rejects when it cannot connect, and leaves nothing behind", async () => {
  await using manager = new RedisConnectionManager({
    port: freePort(),
    connectRetry: { attempts: 1 },
    ...MAIN,
  });
  await assertRejects(() => manager.subscribe("main", ["a"]), ConnectError);
  const { leases, connecting, waiting } = manager.getPoolStatistics("main");
  assertEquals([leases, connecting, waiting], [0, 0, 0]);
});

Deno.test("manager.subscribe() ends its wait with its signal or timeoutMs", () =>
  withManager(MAIN, async ({ manager, server }) => {
    server.pause();
    try {
      const reason = new Error("enough");
      const stop = new AbortController();
      setTimeout(() => stop.abort(reason), 30);
      const aborted = manager.subscribe("main", ["a"], undefined, {
        signal: stop.signal,
      });
      await assertRejects(() => aborted, Error, "enough");
      const error = await assertRejects(
        () => manager.subscribe("main", ["a"], undefined, { timeoutMs: 30 }),
        CommandTimeoutError,
        'Cannot finish SUBSCRIBE on database "main" within 30 ms',
      );
      assertEquals([error.timeoutMs, error.delivery], [30, "never-sent"]);
    } finally {
      server.resume();
    }
    const { leases } = manager.getPoolStatistics("main");
    assertEquals(leases, 0);
  }));

Deno.test("manager.subscribe() ends its wait beside others, whom a hung server keeps waiting", () =>
  withManager(
    { ...MAIN, commandTimeoutMs: 60_000, healthCheckIntervalMs: 0 },
    async ({ manager, server }) => {
      const other = await manager.subscribe("main", ["a"], () => {});
      server.pause();
      try {
        const late = manager.subscribe("main", ["b"], () => {}, { timeoutMs: 30 });
        const error = await assertRejects(
          () => within(late, 30_000, "the subscription"),
          CommandTimeoutError,
        );
        assertEquals(error.delivery, "ambiguous");
        const stop = new AbortController();
        const { signal } = stop;
        const aborted = manager.subscribe("main", ["c"], () => {}, { signal });
        stop.abort(new Error("enough"));
        await assertRejects(
          () => within(aborted, 30_000, "the subscription"),
          Error,
          "enough",
        );
      } finally {
        server.resume();
      }
      // The server is told in the end.
      await waitFor(async () =>
        (await server.cli("PUBSUB", "CHANNELS") as string[]).join() === "a"
      );
      await other.unsubscribe();
    },
  ));
