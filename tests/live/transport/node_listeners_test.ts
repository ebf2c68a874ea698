import { assertEquals, assertGreater } from "@std/assert";
import { Socket } from "node:net";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { openNodeChannel } from "../../../src/transport/node_channel.ts";
import { TestChannel } from "./kinds.ts";

/** What is done to a socket's listeners while a channel is opened and started. */
async function listenersOf(server: RedisServer) {
  const { on, removeListener } = Socket.prototype;
  const added: unknown[] = [];
  const removed: unknown[] = [];
  Socket.prototype.on = function (this: Socket, ...args: unknown[]) {
    added.push(...args);
    return Reflect.apply(on, this, args);
  } as typeof on;
  Socket.prototype.removeListener = function (this: Socket, ...args: unknown[]) {
    removed.push(...args);
    return Reflect.apply(removeListener, this, args);
  } as typeof removeListener;
  try {
    const endpoint = { host: server.host, port: server.port } as const;
    await using _link = await TestChannel.open(openNodeChannel, endpoint);
    return { added: [...added], removed: [...removed] };
  } finally {
    Object.assign(Socket.prototype, { on, removeListener });
  }
}

Deno.test("node channels share their listeners, and remove none", async () => {
  await using server = await RedisServer.start();
  const [one, other] = [await listenersOf(server), await listenersOf(server)];
  assertGreater(one.added.length, 8);
  assertEquals(one.added, other.added);
  assertEquals([one.removed, other.removed], [[], []]);
});
