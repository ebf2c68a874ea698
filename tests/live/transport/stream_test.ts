import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLessOrEqual,
} from "@std/assert";
import { OverloadedError, RedisConnectionManager } from "../../../mod.ts";
import { connectClient } from "../../../src/connection/handshake.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { ConnectionStream } from "../../../src/transport/stream.ts";
import { KINDS } from "./kinds.ts";

const { signal } = new AbortController();

for (const [kind, openChannel] of KINDS) {
  Deno.test(`ConnectionStream over a ${kind} channel collects a tick's writes and counts bytes`, async () => {
    await using server = await RedisServer.start();
    await using relay = await FaultProxy.start({ to: server });
    const endpoint = { host: relay.host, port: relay.port } as const;
    const channel = await openChannel(endpoint, { signal });
    const stream = new ConnectionStream(channel, {});
    const redis = await connectClient({
      stream,
      connectionName: "stream",
      db: 0,
      keyPrefix: "",
    });
    const tickOf = (count: number) =>
      Promise.all(Array.from({ length: count }, () => redis.incr("n")));
    for (let tick = 0; tick < 60; tick++) await tickOf(100);
    const before = stream.socketWrites;
    await tickOf(100);
    assertLessOrEqual(stream.socketWrites - before, 6);
    assertGreater(stream.socketWrites - before, 2);
    assertEquals(await server.cli("GET", "n"), "6100");
    assertEquals(stream.channel.bytesWritten, relay.bytes.toServer);
    assertEquals(stream.bytesReceived, relay.bytes.toClient);
    const closed = new Promise((resolve) => stream.once("close", resolve));
    redis.disconnect();
    await closed;
    assertEquals([stream.writable, stream.destroyed], [false, true]);
  });

  Deno.test(`client over a ${kind} channel is refused with the sizes when the server does not read`, async () => {
    await using server = await RedisServer.start();
    await using relay = await FaultProxy.start({ to: server });
    const { host, port } = relay;
    await using manager = new RedisConnectionManager({
      host,
      port,
      transport: kind,
      commandTimeoutMs: 3000,
      databases: { main: {} },
    });
    const client = await manager.getAsyncClient("main");
    relay.set({ toServer: { kind: "stall" } });
    const value = new Uint8Array(8 * 1024 * 1024);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 14 }, async (_, i) => {
        // Some ticks apart, as the stream learns of the socket when it has written.
        for (let tick = 0; tick < i; tick++) await null;
        await client.set(`big${i}`, value as unknown as string);
      }),
    );
    const errors = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [outcome.reason] : []
    );
    assertEquals(errors.length, 14);
    const refused = errors.filter((error) => error instanceof OverloadedError);
    assertGreater(refused.length, 0);
    assertInstanceOf(refused[0], OverloadedError);
    assertEquals(refused[0].delivery, "never-sent");
    const [found] = /\d{8,}/.exec(refused[0].message.replaceAll(",", "")) ?? [];
    assert(Number(found) > 64 * 1024 * 1024, refused[0].message);
    relay.heal();
  });
}
