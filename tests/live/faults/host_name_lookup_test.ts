import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { ConnectError, RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft, waitFor } from "../../support/clients.ts";
import { makeTlsCases } from "../../support/tls.ts";
import { report } from "./_report.ts";
import { QUICK_RETRY, timed } from "./_stage.ts";

/** Two servers on one port, at different addresses of this machine. */
async function startPair(): Promise<[RedisServer, RedisServer]> {
  const first = await RedisServer.start({ config: { bind: "127.0.0.1" } });
  const second = await RedisServer.start({
    port: first.port,
    config: { bind: "127.0.0.2" },
  });
  return [first, second];
}

Deno.test("the resolver is asked for each connection, and a moved name is followed", async () => {
  const [first, second] = await startPair();
  await using _first = first;
  await using _second = second;
  const asked: string[] = [];
  let address = "127.0.0.1";
  {
    await using manager = new RedisConnectionManager({
      host: "redis.internal",
      port: first.port,
      connectRetry: QUICK_RETRY,
      resolve: (host) => {
        asked.push(host);
        return address;
      },
      databases: { main: { db: 0 } },
    });
    const client = manager.getClient("main");
    assertEquals(await client.incr("n"), 1);
    assertEquals(asked, ["redis.internal"]);
    address = "127.0.0.2";
    await first.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    const { ms } = await timed(
      waitFor(async () => await client.get("n") === null, {
        what: "a read from where the name leads now",
      }),
    );
    assertEquals(asked.length, 2);
    await report({
      row: 32,
      fault: "name leads elsewhere",
      outcome: "followed by the next connection",
      recoveredMs: ms,
    });
  }
  await assertNoConnectionsLeft(first, "mooring:");
});

Deno.test("a resolver that fails is asked again as the policy says, and its words are told", async () => {
  await using server = await RedisServer.start();
  let asked = 0;
  let failures = 2;
  {
    await using manager = new RedisConnectionManager({
      host: "redis.internal",
      port: server.port,
      connectRetry: { ...QUICK_RETRY, attempts: 3 },
      resolve: () => {
        asked++;
        if (failures-- > 0) throw new Error("no name server answered");
        return Promise.resolve([server.host]);
      },
      databases: { main: { db: 0 } },
    });
    const client = manager.getClient("main");
    assertEquals(await client.ping(), "PONG");
    assertEquals(asked, 3);
    failures = Infinity;
    await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await using other = new RedisConnectionManager({
      host: "redis.internal",
      connectRetry: { ...QUICK_RETRY, attempts: 2 },
      databases: { main: { resolve: () => Promise.reject(new Error("SERVFAIL")) } },
    });
    const error = await other.getClient("main").ping().catch((error) => error);
    assertInstanceOf(error, ConnectError);
    assertEquals(error.attempts, 2);
    assertMatch(error.message, /to redis\.internal:6379 after 2 attempts/);
    assertMatch(error.message, /could not find "redis\.internal": SERVFAIL/);
  }
  await assertNoConnectionsLeft(server, "mooring:");
});

Deno.test("several addresses are tried in turn within one attempt", async () => {
  await using server = await RedisServer.start({ config: { bind: "127.0.0.1" } });
  await using manager = new RedisConnectionManager({
    host: "redis.internal",
    port: server.port,
    connectRetry: { ...QUICK_RETRY, attempts: 1 },
    databases: {
      main: { resolve: () => ["127.0.0.3", "127.0.0.2", "127.0.0.1"] },
      none: { resolve: () => ["127.0.0.3", "127.0.0.2"] },
      odd: { resolve: () => ["127.0.0.1 -x"] },
      empty: { resolve: () => [] },
    },
  });
  assertEquals(await manager.getClient("main").ping(), "PONG");
  const failure = async (name: "none" | "odd" | "empty") => {
    const error = await manager.getClient(name).ping().catch((error) => error);
    assertInstanceOf(error, ConnectError);
    assertEquals(error.attempts, 1);
    return error.message;
  };
  const none = await failure("none");
  for (const address of ["127.0.0.3", "127.0.0.2"]) {
    assert(none.includes(`${address}:${server.port}: `), none);
  }
  assertMatch(await failure("odd"), /what is no address: found "127\.0\.0\.1 -x"/);
  assertMatch(await failure("empty"), /the resolver knows no "redis\.internal"/);
});

for (const transport of ["node", "deno"] as const) {
  Deno.test(`with transport ${transport}, a certificate is expected for the name, not for the address`, async () => {
    await using cases = await makeTlsCases();
    const managerOf = (server: RedisServer, host: string) =>
      new RedisConnectionManager({
        host,
        port: server.port,
        transport,
        connectRetry: { ...QUICK_RETRY, attempts: 1 },
        tls: { enabled: true, caFile: cases.caFile },
        resolve: () => "127.0.0.1",
        databases: { main: { db: 0 } },
      });
    await using server = await RedisServer.start({ tls: cases.good });
    await using right = managerOf(server, "localhost");
    assertEquals(await right.getClient("main").ping(), "PONG");
    await using wrong = managerOf(server, "another.internal");
    const error = await wrong.getClient("main").ping().catch((error) => error);
    assertInstanceOf(error, ConnectError);
    assertMatch(error.message, /certificate|altnames/i);
  });
}

Deno.test("a name that is not known is tried once more, and named in the error", async () => {
  await using manager = new RedisConnectionManager({
    host: "no-such-host.invalid",
    commandTimeoutMs: 10_000,
    connectRetry: { ...QUICK_RETRY, attempts: 3 },
    databases: { main: { db: 0 } },
  });
  const { ms, error } = await timed(manager.getClient("main").ping());
  assertInstanceOf(error, ConnectError);
  assertEquals(error.attempts, 2);
  assert(error.message.includes("no-such-host.invalid"), error.message);
  await report({
    row: 32,
    fault: "DNS fails, changes",
    outcome: "asked again for each attempt",
    noticedMs: ms,
  });
});
