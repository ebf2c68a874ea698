import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { makeTlsCases } from "../../support/tls.ts";
import { KINDS, TestChannel } from "./kinds.ts";
import { readSocketOptions } from "./socket_options.ts";

const PING = "*1\r\n$4\r\nPING\r\n";

for (const [kind, openChannel] of KINDS) {
  Deno.test(`${kind} channel sends text and bytes in order, over TCP and Unix sockets`, async () => {
    await using server = await RedisServer.start();
    for (
      const endpoint of [
        { host: server.host, port: server.port },
        { path: server.unixSocket },
      ] as const
    ) {
      await using link = await TestChannel.open(openChannel, endpoint);
      link.channel.write("*2\r\n$4\r\nECHO\r\n$4\r\n");
      link.channel.write(new TextEncoder().encode("1é3"));
      link.channel.write("\r\n");
      link.channel.write(PING);
      assertEquals(
        await link.receive("$4\r\n1é3\r\n+PONG\r\n".length),
        "$4\r\n1é3\r\n+PONG\r\n",
      );
      assertEquals(link.channel.localPort > 0, endpoint.path === undefined);
    }
  });

  Deno.test(`${kind} channel carries 8 MiB each way and counts its bytes`, async () => {
    await using server = await RedisServer.start();
    await using relay = await FaultProxy.start({ to: server });
    const endpoint = { host: relay.host, port: relay.port } as const;
    await using link = await TestChannel.open(openChannel, endpoint);
    const value = "v".repeat(8 * 1024 * 1024);
    const command = `*2\r\n$4\r\nECHO\r\n$${value.length}\r\n${value}\r\n`;
    link.channel.write(command);
    const reply = `$${value.length}\r\n${value}\r\n`;
    assert(await link.receive(reply.length) === reply, "the value came back changed");
    assertEquals(link.channel.bytesWritten, command.length);
    assertEquals(relay.bytes.toServer, command.length);
    assertEquals(link.channel.bufferedBytes, 0);
  });

  for (const isSecure of [false, true]) {
    const over = isSecure ? " over TLS" : "";
    Deno.test(`${kind} channel that has much to read${over} lets other sockets be read`, async () => {
      await using cases = isSecure ? await makeTlsCases() : undefined;
      const secure = cases === undefined ? {} : { tls: cases.good };
      await using server = await RedisServer.start(secure);
      const bytes = 32 * 1024 * 1024;
      await server.cli("SETRANGE", "big", String(bytes - 1), "x");
      const endpoint = { host: "localhost", port: server.port } as const;
      const options = cases === undefined
        ? {}
        : { tls: { ca: await Deno.readTextFile(cases.caFile), verify: true } };
      const { signal } = new AbortController();
      const busy = await openChannel(endpoint, { signal, ...options });
      await using other = await TestChannel.open(openChannel, endpoint, options);
      let received = 0;
      busy.start({
        data: ({ byteLength }) => {
          received += byteLength;
          // What a parser takes for a chunk of small elements.
          const until = performance.now() + 3 * byteLength / (64 * 1024);
          while (performance.now() < until);
        },
        close: () => {},
      });
      busy.write("*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n");
      await waitFor(() => received > 0);
      let served = 0;
      for (; received < bytes; served++) {
        other.channel.write(PING);
        await other.receive((served + 1) * "+PONG\r\n".length);
      }
      busy.destroy();
      // 1 or 2 where the busy socket is read to its end.
      assertGreater(served, 5);
    });
  }

  Deno.test(`${kind} channel reports how many bytes wait when the server does not read`, async () => {
    await using server = await RedisServer.start();
    await using relay = await FaultProxy.start({ to: server });
    relay.set({ toServer: { kind: "stall" } });
    const endpoint = { host: relay.host, port: relay.port } as const;
    await using link = await TestChannel.open(openChannel, endpoint);
    link.channel.write(new Uint8Array(32 * 1024 * 1024).fill(32));
    await delay(200);
    assertGreater(link.channel.bufferedBytes, 0);
  });

  Deno.test(`${kind} channel sends what is buffered before end() closes it`, async () => {
    await using server = await RedisServer.start();
    const endpoint = { host: server.host, port: server.port } as const;
    const link = await TestChannel.open(openChannel, endpoint);
    link.channel.write("*3\r\n$3\r\nSET\r\n$3\r\nend\r\n$4\r\nsent\r\n");
    link.channel.end();
    assertEquals(await link.closed, undefined);
    await waitFor(async () => await server.cli("GET", "end") === "sent", {
      what: "the last command",
    });
  });

  Deno.test(`${kind} channel closes once, and only once, when the server ends it`, async () => {
    await using server = await RedisServer.start();
    const endpoint = { host: server.host, port: server.port } as const;
    const link = await TestChannel.open(openChannel, endpoint);
    link.channel.write("*1\r\n$4\r\nQUIT\r\n");
    await link.closed;
    link.channel.destroy();
    link.channel.end();
    await Promise.resolve();
    assertEquals([link.received, link.closes], ["+OK\r\n", 1]);
  });

  Deno.test(`${kind} channel closes with the error of a reset`, async () => {
    await using server = await RedisServer.start();
    await using relay = await FaultProxy.start({ to: server });
    const endpoint = { host: relay.host, port: relay.port } as const;
    const link = await TestChannel.open(openChannel, endpoint);
    link.channel.write(PING);
    await link.receive(7);
    relay.reset();
    const error = await link.closed;
    assertStringIncludes(String(error).toLowerCase(), "reset");
  });

  Deno.test(`${kind} channel is refused with the reason where nothing listens`, async () => {
    const endpoint = { host: "127.0.0.1", port: freePort() } as const;
    const error = await assertRejects(
      () => TestChannel.open(openChannel, endpoint),
      Error,
    );
    assertStringIncludes(error.message.toLowerCase(), "refused");
    const missing = { path: "/nonexistent/redis.sock" } as const;
    const other = await assertRejects(
      () => TestChannel.open(openChannel, missing),
      Error,
    );
    assertMatch(other.message, /ENOENT|No such file/);
  });

  Deno.test(`${kind} channel is not opened when its signal has been aborted`, async () => {
    await using server = await RedisServer.start();
    const endpoint = { host: server.host, port: server.port } as const;
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(() => openChannel(endpoint, { signal }), Error, "enough");
    assertEquals(await server.clientList(), []);
  });

  Deno.test({
    name: `${kind} channel sets TCP_NODELAY, and keepalive as the kernel has it`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await using server = await RedisServer.start();
      const endpoint = { host: server.host, port: server.port } as const;
      const keepalive = { idleMs: 600_000, intervalMs: 60_000, count: 5 };
      await using link = await TestChannel.open(openChannel, endpoint, { keepalive });
      assertEquals(link.channel.keepalive, "full");
      assertEquals(readSocketOptions(link.channel.localPort), {
        keepalive: true,
        idle: 600,
        interval: 60,
        count: 5,
        noDelay: true,
      });
      await using plain = await TestChannel.open(openChannel, endpoint);
      assertEquals(plain.channel.keepalive, "heartbeat");
      assertEquals(readSocketOptions(plain.channel.localPort).noDelay, true);
    },
  });
}
