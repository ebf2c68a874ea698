import { assert, assertEquals } from "@std/assert";
import type { ManagerOptions } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay } from "../../../src/testing/wait.ts";
import { CoherenceChecker, readersOf } from "../../support/coherence.ts";

Deno.test("near caches are coherent while connections are killed and the server freezes and restarts", async () => {
  await using server = await RedisServer.start();
  // Short enough for an outage to be over within the test.
  const base: ManagerOptions = {
    host: server.host,
    port: server.port,
    commandTimeoutMs: 2000,
    connectRetry: { attempts: 20, minMs: 20, maxMs: 100 },
  };
  await using checker = new CoherenceChecker({
    readers: readersOf(base),
    others: { ...base, databases: { near: { db: 0 } } },
    seed: 19,
  });
  checker.start();
  for (let round = 0; round < 3; round++) {
    await delay(400);
    // What was kept of these connections is announced to nobody any more.
    await server.cli("CLIENT", "KILL", "TYPE", "normal");
    await delay(150);
    await checker.rest();
    server.pause();
    await delay(200);
    server.resume();
    await delay(300);
    await checker.rest();
    await server.cli("FLUSHALL");
  }
  await server.kill();
  await server.restart();
  await delay(1000);
  await checker.rest();
  const report = await checker.stop();
  console.log(report);
  assertEquals(report.violations, []);
  assert(report.rests === 7 && report.writes > 200, JSON.stringify(report));
  assert(report.hits > report.reads / 2, JSON.stringify(report));
});
