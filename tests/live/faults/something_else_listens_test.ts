import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import {
  ConnectError,
  type ManagerOptions,
  RedisConnectionManager,
} from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft, waitFor } from "../../support/clients.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { TlsAuthority } from "../../support/tls.ts";
import { report } from "./_report.ts";
import { assertTook, timed } from "./_stage.ts";
import { TRANSPORTS } from "./_tls.ts";

/** What a call fails with, and within how many milliseconds on a quiet machine. */
async function assertFailsFast(
  options: ManagerOptions,
  hint: RegExp,
  most: number,
): Promise<number> {
  // All other settings are the defaults: 5 s for a command, 5 attempts, 17 s and more.
  await using manager = new RedisConnectionManager({
    host: "127.0.0.1",
    databases: { main: { db: 0 } },
    ...options,
  });
  const client = manager.getClient("main");
  const calls = await Promise.all([
    timed(client.get("k")),
    timed(client.blpop("jobs", 1)),
    timed(manager.acquire("main")),
    timed(manager.getAsyncClient("main")),
    timed(manager.initializeAll()),
  ]);
  for (const call of calls) {
    const error = call.error as Error;
    assertTook(call, { most }, error.message);
    assertMatch(error.message, hint);
  }
  const [get] = calls;
  assertInstanceOf(get!.error, ConnectError);
  assertEquals(get!.error.retryable, false);
  const { reason, state } = manager.getHealthStatus().databases.main!;
  assertEquals(state, "failed");
  assertMatch(reason, hint);
  assertMatch(manager.getStatistics().databaseStats.main!.lastError!, hint);
  const ready = await manager.healthResponse(new Request("http://pod/readyz"));
  assertMatch((await ready.json()).databases.main.reason, hint);
  return get!.ms;
}

for (const transport of TRANSPORTS) {
  Deno.test(`an HTTP server is named at once, with transport ${transport}`, async () => {
    await using http = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      () => new Response("hello"),
    );
    const { port } = http.addr;
    const hint = /not a Redis server but an HTTP server: it answered "HTTP\/1\.1 400/;
    const noticedMs = await assertFailsFast({ port, transport }, hint, 1000);
    await report({
      row: 57,
      fault: `an HTTP server listens (${transport})`,
      outcome: "fails at once, says so",
      noticedMs,
    });
  });

  Deno.test(`TLS spoken to an HTTP server is named, with transport ${transport}`, async () => {
    await using http = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      () => new Response("hello"),
    );
    const tls = { enabled: true };
    await assertFailsFast(
      { port: http.addr.port, transport, tls },
      /not a Redis server but an HTTP server/,
      2000,
    );
  });

  Deno.test(`a server without TLS is told from one with it, with transport ${transport}`, async () => {
    await using authority = await TlsAuthority.create();
    await using server = await RedisServer.start();
    const tls = { enabled: true, caFile: authority.caFile };
    const hint = /the server speaks no TLS: use a redis:\/\/ URL/;
    const noticedMs = await assertFailsFast(
      { port: server.port, transport, tls },
      hint,
      2500,
    );
    // The runtime's own TLS keeps the socket of a handshake that was ended, until the
    // server closes it.
    if (transport === "node") await assertNoConnectionsLeft(server, "");
    await report({
      row: 57,
      fault: `TLS against a plain port (${transport})`,
      outcome: "fails fast, says redis://",
      noticedMs,
    });
  });

  Deno.test(`a server with TLS is told from one without, with transport ${transport}`, async () => {
    await using authority = await TlsAuthority.create();
    await using server = await RedisServer.start({ tls: await authority.issue() });
    const hint = /the server speaks TLS, and this client does not: use a rediss:\/\/ URL/;
    const noticedMs = await assertFailsFast({ port: server.port, transport }, hint, 2500);
    await report({
      row: 57,
      fault: `plain against a TLS port (${transport})`,
      outcome: "fails fast, says rediss://",
      noticedMs,
    });
  });
}

for (const speaksTls of [true, false]) {
  const kind = speaksTls ? "with" : "without";
  Deno.test(`a server ${kind} TLS that takes more than a second to answer is named, too`, async () => {
    await using authority = await TlsAuthority.create();
    await using server = await RedisServer.start(
      speaksTls ? { tls: await authority.issue() } : {},
    );
    // As on a busy machine: each answer comes late.
    await using slow = await FaultProxy.start({
      to: server,
      faults: { toClient: { kind: "delay", ms: 1200 } },
    });
    await using manager = new RedisConnectionManager({
      host: slow.host,
      port: slow.port,
      connectTimeoutMs: 20_000,
      tls: { enabled: !speaksTls, caFile: authority.caFile },
      databases: { main: { db: 0 } },
    });
    const { error } = await timed(manager.getAsyncClient("main"));
    assertMatch(
      (error as Error).message,
      speaksTls ? /speaks TLS, and this client does not/ : /the server speaks no TLS/,
    );
  });
}

Deno.test("a server that is right but slow to speak TLS is not taken for one without", async () => {
  await using authority = await TlsAuthority.create();
  await using server = await RedisServer.start({ tls: await authority.issue() });
  // The handshake begins later than the port is looked at.
  await using slow = await FaultProxy.start({
    to: server,
    faults: { toServer: { kind: "delay", ms: 1200 } },
  });
  await using manager = new RedisConnectionManager({
    host: slow.host,
    port: slow.port,
    commandTimeoutMs: 30_000,
    connectTimeoutMs: 20_000,
    tls: { enabled: true, caFile: authority.caFile },
    databases: { main: { db: 0 } },
  });
  assertEquals(await manager.getClient("main").ping(), "PONG");
});

Deno.test("once a Redis server listens where another did, it is found by itself", async () => {
  let served = false;
  const http = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("hello"),
  );
  const { port } = http.addr;
  await using manager = new RedisConnectionManager({
    host: "127.0.0.1",
    port,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  const { error } = await timed(client.get("k"));
  assertMatch((error as Error).message, /HTTP server/);
  await http.shutdown();
  await using server = await RedisServer.start({ port });
  await waitFor(async () => {
    served = await client.set("k", "v").then(() => true, () => false);
    return served;
  }, { timeoutMs: 30_000, what: "a command that is served" });
  assert(served && server.running);
  const { reason, state } = manager.getHealthStatus().databases.main!;
  assert(state !== "failed" && !reason.includes("HTTP"), `${state}: ${reason}`);
});
