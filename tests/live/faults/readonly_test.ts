import { assert, assertEquals } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { onStage, Stopwatch, timed } from "./_stage.ts";

const SCRIPT = "return redis.call('INCR', KEYS[1])";

Deno.test("after a failover, writes find the new primary within their deadline, scripts too", async () => {
  await using next = await RedisServer.start();
  await onStage({ manager: { commandTimeoutMs: 20_000 } }, async (stage) => {
    const { server, relay, manager } = stage;
    const client = manager.getClient("main");
    await client.set("n", 0);
    await delay(300);
    await server.cli("REPLICAOF", next.host, String(next.port));
    const start = performance.now();
    using watch = new Stopwatch();
    const writes = Promise.all([
      timed(client.incr("n")),
      timed(client.eval(SCRIPT, 1, "n")),
      ...Array.from({ length: 20 }, () => timed(client.incr("n"))),
    ]);
    await delay(400);
    relay.to = next;
    using recovery = new Stopwatch();
    const results = await writes;
    const { ms: recoveredMs } = recovery.assertWithin({ most: 1500 }, "recovery");
    assertEquals(results.filter(({ error }) => error !== undefined), []);
    assertEquals(await next.cli("GET", "n"), "22");
    const connects = relay.accepted.filter((at) => at >= start).length;
    const allowed = 10 * Math.max(1, watch.ms / 1000);
    assert(connects <= allowed, `${connects} connects, ${allowed} are allowed`);
    const { circuitBreaker } = manager.getHealthStatus().databases.main!;
    assertEquals(circuitBreaker, "closed");
    await server.cli("REPLICAOF", "NO", "ONE");
    await report({
      row: 18,
      fault: "READONLY after failover",
      outcome: `22 writes applied once on the new primary`,
      recoveredMs,
    });
  });
});
