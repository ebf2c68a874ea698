import { assertEquals, assertMatch } from "@std/assert";
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { Blackhole } from "../../support/blackhole.ts";
import { canFilterPackets, PacketLoss } from "../../support/packet_filter.ts";
import { report } from "./_report.ts";
import { assertTook, timed } from "./_stage.ts";

/** The default of `socket_connect_timeout`. */
const CONNECT_TIMEOUT_MS = 5000;

/** The first health check with the defaults, and what it found. */
async function firstCheck(
  options: ManagerOptions,
  most: number,
): Promise<{ ms: number; reason: string }> {
  await using manager = new RedisConnectionManager({
    host: "127.0.0.1",
    databases: { main: {} },
    ...options,
  });
  const check = await timed(manager.healthCheck());
  assertTook(check, { most }, "the first health check");
  const { pingMs, reason, state } = check.value!.databases.main!;
  assertEquals([state, pingMs], ["failed", null]);
  return { ms: check.ms, reason };
}

Deno.test("the first health check of a closed port ends with the first attempt", async () => {
  const { ms, reason } = await firstCheck({ port: freePort() }, 500);
  assertMatch(reason, /connection refused/);
  await report({
    row: 59,
    fault: "first health check: closed port",
    outcome: "failed, with the reason",
    noticedMs: ms,
  });
});

Deno.test("the first health check of a server that never answers takes one connect timeout", async () => {
  await using hole = Blackhole.listen();
  const { ms, reason } = await firstCheck({ port: hole.port }, CONNECT_TIMEOUT_MS + 700);
  assertMatch(reason, /no answer within 5000 ms/);
  await report({
    row: 59,
    fault: "first health check: silent server",
    outcome: "failed after one connect timeout",
    noticedMs: ms,
  });
});

Deno.test({
  name: "the first health check of a port whose packets are lost takes as long",
  ignore: !await canFilterPackets(),
  fn: async () => {
    const port = freePort();
    await using _loss = await PacketLoss.to(port);
    const { reason } = await firstCheck({ port }, CONNECT_TIMEOUT_MS + 700);
    assertMatch(reason, /no answer within 5000 ms/);
  },
});

Deno.test("a health check of a cluster of which no node is there ends as soon", async () => {
  const nodes = [1, 2, 3].map(() => ({ host: "127.0.0.1", port: freePort() }));
  const { reason } = await firstCheck({ mode: "cluster", nodes }, 1500);
  assertMatch(reason, /connection refused/);
});

Deno.test("a health check of a cluster that is silent takes one connect timeout", async () => {
  await using hole = Blackhole.listen();
  const nodes = [{ host: "127.0.0.1", port: hole.port }];
  await firstCheck({ mode: "cluster", nodes }, CONNECT_TIMEOUT_MS + 700);
});

Deno.test("a health check while attempts pause asks within a connect timeout, and finds a server that is back", async () => {
  const port = freePort();
  await using manager = new RedisConnectionManager({
    host: "127.0.0.1",
    port,
    databases: { main: {} },
  });
  await manager.healthCheck();
  const second = await timed(manager.healthCheck());
  assertTook(second, { most: CONNECT_TIMEOUT_MS + 700 }, "the second health check");
  assertEquals(second.value!.databases.main!.state, "failed");
  await using server = await RedisServer.start({ port });
  const deadline = performance.now() + 90_000;
  let state: string;
  do state = (await manager.healthCheck()).databases.main!.state; while (
    state !== "healthy" && performance.now() < deadline
  );
  assertEquals([state, server.running], ["healthy", true]);
});

Deno.test("a health check of a server that hangs, and had answered, finds it failed", async () => {
  await using server = await RedisServer.start();
  await using manager = new RedisConnectionManager({
    host: server.host,
    port: server.port,
    databases: { main: {} },
  });
  await manager.getClient("main").ping();
  server.pause();
  try {
    // The silent connection has command_timeout, the new one connect_timeout.
    const check = await timed(manager.healthCheck());
    assertTook(check, { most: 2 * CONNECT_TIMEOUT_MS + 700 }, "the health check");
    const { reason, state } = check.value!.databases.main!;
    assertEquals(state, "failed");
    assertMatch(reason, /no answer within 5000 ms/);
    await report({
      row: 59,
      fault: "health check: a server that hangs",
      outcome: "failed, with the reason",
      noticedMs: check.ms,
    });
  } finally {
    server.resume();
  }
});

Deno.test("questions of our own that a dead connection does not answer end it", async () => {
  await using server = await RedisServer.start();
  await using relay = await FaultProxy.start({ to: server });
  await using manager = new RedisConnectionManager({
    host: relay.host,
    port: relay.port,
    databases: { main: {} },
  });
  const ready = () => manager.healthResponse(new Request("http://pod/readyz"));
  assertEquals((await ready()).status, 200);
  const ended = new Promise<string | undefined>((resolve) => {
    manager.addEventListener("connection", ({ detail }) => {
      if (detail.action === "closed") resolve(detail.end);
    });
  });
  // What is open is lost, as behind a middlebox that forgot it; new connections pass.
  for (const connection of relay.connections) {
    connection.set({ toServer: { kind: "swallow" }, toClient: { kind: "swallow" } });
  }
  assertEquals((await ready()).status, 503);
  assertEquals(await ended, "silent");
  await waitFor(async () => (await ready()).status === 200, { what: "a new connection" });
});
