import process from "node:process";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type RedisClient,
  RedisConnectionManager,
  UnknownDatabaseError,
} from "../../../mod.ts";
import { waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";

type WithScript = RedisClient & { put(key: string, value: string): Promise<string> };
const PUT = { lua: "return redis.call('set', KEYS[1], ARGV[1])", numberOfKeys: 1 };

Deno.test("a client's status and events say whether there is a connection", async () => {
  const told: string[] = [];
  const seen: string[] = [];
  await withManager({ databases: { main: {} } }, async ({ manager, server }) => {
    const client = manager.getClient("main");
    const scoped = client.with({ timeoutMs: 9000 });
    for (const event of ["connect", "ready", "close", "end"]) {
      client.on(event, () => told.push(`${event} ${client.status}`));
    }
    scoped.once("ready", () => seen.push("ready"));
    assertEquals([client.status, scoped.status], ["wait", "wait"]);
    await client.ping();
    assertEquals([client.status, scoped.status], ["ready", "ready"]);
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await waitFor(() => client.status === "wait", { what: "the loss to be told" });
    // What libraries do that find it so.
    await client.connect();
    assertEquals(client.status, "ready");
    await using lease = await manager.acquire("main");
    assertEquals([await lease.client.ping(), client.status], ["PONG", "ready"]);
    client.on("end", () => seen.push(client.status));
  });
  const cycle = ["connect connect", "ready ready", "close close"];
  assertEquals(told, [...cycle, ...cycle, "end end"]);
  assertEquals(seen, ["ready", "end"]);
});

Deno.test("what a listener throws breaks no connection", () =>
  withManager({ databases: { main: {} } }, async ({ manager }) => {
    const client = manager.getClient("main");
    const thrown = new Promise<unknown>((resolve) => {
      globalThis.addEventListener("error", (event) => {
        event.preventDefault();
        resolve(event.error);
      }, { once: true });
    });
    const error = new Error("a listener's own");
    client.once("ready", () => {
      throw error;
    });
    assertEquals(await client.ping(), "PONG");
    assertStrictEquals(await thrown, error);
  }));

Deno.test("with() keeps the scripts of the client, those defined later too", () =>
  withManager({ databases: { main: {} } }, async ({ manager, server }) => {
    const client = manager.getClient("main");
    client.defineCommand("put", PUT);
    const scoped = client.with({ timeoutMs: 9000 }) as WithScript;
    assertEquals(await scoped.put("k", "1"), "OK");
    const nested = scoped.with({ retryWrites: true }) as WithScript;
    nested.defineCommand("late", PUT);
    const late = (of: RedisClient) =>
      (of as unknown as { late: WithScript["put"] }).late("k", "2");
    for (const each of [client, scoped, nested]) assertEquals(await late(each), "OK");
    const chain = scoped.pipeline() as unknown as WithScript;
    await (chain.put("k", "3") as unknown as ReturnType<RedisClient["pipeline"]>).exec();
    assertEquals(await client.get("k"), "3");
    // Its settings are its own: the deadline is that of the call.
    await server.cli("CLIENT", "PAUSE", "2000", "ALL");
    const hasty = client.with({ timeoutMs: 50 }) as WithScript;
    const [scripted, piped] = await Promise.all([
      hasty.put("k", "4").catch((error) => error),
      hasty.pipeline().get("k").exec(),
    ]);
    assertEquals(scripted.name, "CommandTimeoutError");
    assertEquals(piped![0]![0]?.name, "CommandTimeoutError");
  }));

Deno.test("a client takes any number of listeners without a warning, a lease's too", () =>
  withManager({ databases: { main: {} } }, async ({ manager }) => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on("warning", note);
    try {
      const client = manager.getClient("main");
      const scoped = client.with({ timeoutMs: 9000 });
      await using lease = await manager.acquire("main");
      const listen = () => {};
      for (let i = 0; i < 30; i++) {
        client.on("error", listen);
        scoped.on("ready", listen);
        lease.client.on("message", listen);
      }
      assertEquals([client.listenerCount("ready"), client.listenerCount("error")], [
        30,
        30,
      ]);
      for (let i = 0; i < 30; i++) scoped.off("error", listen);
      assertEquals(client.listenerCount("error"), 0);
      assertEquals(client.listenerCount("ready"), 30);
      await new Promise((resolve) => setTimeout(resolve, 10));
      assertEquals(warnings, []);
    } finally {
      process.off("warning", note);
    }
  }));

Deno.test("getClient() of a number says which databases have which numbers", () => {
  const manager = new RedisConnectionManager({
    databases: { main: {}, orders: { db: 7 }, returns: { db: 7 } },
  });
  const error = assertThrows(() => manager.getClient(7), UnknownDatabaseError);
  for (
    const text of [
      '7 stands for "workflows"',
      "main has 0, orders has 7, returns has 7",
      'ask for "orders" or "returns"',
    ]
  ) assert(error.message.includes(text), error.message);
  const none = assertThrows(() => manager.getClient(99 as 7), UnknownDatabaseError);
  assert(none.message.includes("99 stands for no name"), none.message);
});
