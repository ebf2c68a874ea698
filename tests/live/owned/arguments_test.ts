import { assertEquals, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import type { IORedis } from "../../../mod.ts";
import { withManager } from "../../support/managed.ts";

/** What becomes of null and undefined, wherever a library may put them. */
async function nullish(client: IORedis): Promise<unknown[]> {
  client.defineCommand("tell", { numberOfKeys: 1, lua: "return { KEYS[1], ARGV }" });
  const script = client as unknown as Record<string, (...args: unknown[]) => unknown>;
  const nothing = undefined as unknown as string;
  return [
    await client.call("rpush", ["list", "a", nothing, nothing, "b"]),
    await client.lrange("list", 0, -1),
    await client.hset("hash", { a: nothing, b: "c" }),
    await client.hgetall("hash"),
    await script.tell!("key", undefined, null, "a"),
    await script.tell!(["key", undefined, null, "a"]),
    await client.multi().set("k", nothing).get("k").exec(),
    await client.pipeline().call("echo", nothing).exec(),
    await client.call("echo", null as unknown as string),
  ];
}

Deno.test("owned clients send null and undefined as ioredis does; the shared one refuses them", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
    const plain = new Redis(server.port, server.host);
    const expected = await nullish(plain);
    await plain.quit();
    await server.cli("FLUSHALL");
    const owned = manager.createClient("main");
    assertEquals(await nullish(owned), expected);
    await server.cli("FLUSHALL");
    assertEquals(await nullish(owned.duplicate()), expected);
    const shared = manager.getClient("main");
    await assertRejects(() => shared.echo(undefined as unknown as string), TypeError);
  }));
