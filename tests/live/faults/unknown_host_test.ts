import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { ConnectError, RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { assertTook, timed } from "./_stage.ts";
import { TRANSPORTS } from "./_tls.ts";

/** The second attempt follows within 2 s by the defaults: see `connect_retry`. */
const TWICE_MS = 3000;

for (const transport of TRANSPORTS) {
  Deno.test(`a host that is unknown twice in a row fails what waits, with transport ${transport}`, async () => {
    await using manager = new RedisConnectionManager({
      host: "no-such-host.invalid",
      transport,
      databases: { main: { db: 0 } },
    });
    const calls = await Promise.all([
      timed(manager.getClient("main").get("k")),
      timed(manager.getAsyncClient("main")),
    ]);
    for (const call of calls) {
      const { error } = call;
      assertInstanceOf(error, ConnectError);
      assertTook(call, { most: TWICE_MS }, error.message);
      assertEquals((error.cause as { code?: string }).code, "ENOTFOUND");
      assertMatch(error.message, /unknown host "no-such-host\.invalid"/);
      // The name may come to be known.
      assert(error.retryable);
    }
    const { reason } = manager.getHealthStatus().databases.main!;
    assertMatch(reason, /unknown host "no-such-host\.invalid"/);
    await report({
      row: 57,
      fault: `unknown host (${transport})`,
      outcome: "fails at the second attempt, named",
      noticedMs: calls[0]!.ms,
    });
  });
}

Deno.test("a name that is unknown for a moment fails nobody", async () => {
  await using server = await RedisServer.start();
  let asked = 0;
  await using manager = new RedisConnectionManager({
    host: "redis.internal",
    port: server.port,
    resolve: () => asked++ === 0 ? [] : ["127.0.0.1"],
    databases: { main: { db: 0 } },
  });
  assertEquals(await manager.getClient("main").ping(), "PONG");
  assertEquals(asked, 2);
});

Deno.test("a resolver's own failure is no unknown host, and is tried again", async () => {
  await using server = await RedisServer.start();
  let asked = 0;
  await using manager = new RedisConnectionManager({
    host: "redis.internal",
    port: server.port,
    // Three failures within one command's deadline.
    connectRetry: { minMs: 20, maxMs: 50 },
    resolve: () => {
      if (asked++ < 3) throw new Error("SERVFAIL");
      return ["127.0.0.1"];
    },
    databases: { main: { db: 0 } },
  });
  assertEquals(await manager.getClient("main").ping(), "PONG");
  assertEquals(asked, 4);
});

Deno.test("a name that comes to be known is found again", async () => {
  await using server = await RedisServer.start();
  let known = false;
  await using manager = new RedisConnectionManager({
    host: "redis.internal",
    port: server.port,
    resolve: () => {
      if (known) return ["127.0.0.1"];
      throw Object.assign(new Error("queryA ENOTFOUND"), { code: "ENOTFOUND" });
    },
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  const first = await timed(client.get("k"));
  assertInstanceOf(first.error, ConnectError);
  assertMatch(first.error.message, /the resolver could not find "redis\.internal"/);
  assertTook(first, { most: TWICE_MS });
  // From now on it is known to be hopeless: one attempt is enough to know that it still is.
  const second = await timed(client.get("k"));
  assertInstanceOf(second.error, ConnectError);
  assertEquals(second.error.attempts, 1);
  known = true;
  await waitFor(() => client.set("k", "v").then(() => true, () => false), {
    timeoutMs: 30_000,
    what: "a command that is served",
  });
});
