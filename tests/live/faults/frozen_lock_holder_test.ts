// Runs alone: it freezes its own processes, and judges who holds a lock by time.
import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { Child } from "./_child.ts";
import { GUARDED } from "./_guarded.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

const TTL_MS = 400;
const ROUNDS = IS_FULL ? 50 : 5;

Deno.test(`a holder that was frozen ${ROUNDS} times past its lock writes nothing between those of the next`, async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  await using child = Child.start("_lock_child.ts", [String(port), String(TTL_MS)]);
  assertEquals(await child.hear(), "ready");
  await using manager = new RedisConnectionManager({
    host,
    port,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  const storage = ["storage:fence", "storage:log"];
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await child.say("take");
    const stale = Number(await child.hear());
    child.freeze();
    const lock = await manager.lock("main", "job", { ttlMs: 20_000 });
    assert(lock.fencingToken > stale);
    const store = (value: string) =>
      client.eval(GUARDED, 2, ...storage, lock.fencingToken, value);
    assertEquals(await store(`${round}:first`), "stored");
    // It awakes believing that nothing has happened, and writes at once.
    child.thaw();
    await child.say(`write ${round}:stale`);
    const told = JSON.parse(await child.hear());
    assertEquals([told.held, told.stored], [false, "refused"], Deno.inspect(told));
    refused++;
    assertEquals(await store(`${round}:second`), "stored");
    assertEquals(await lock.release(), true);
  }
  const log = await server.cli("LRANGE", "storage:log", 0, -1) as string[];
  assertEquals(
    log.map((entry) => entry.replace(/^\d+:/, "")),
    Array.from({ length: ROUNDS }, (_, i) => [`${i}:first`, `${i}:second`]).flat(),
  );
  await report({
    row: 71,
    fault: `holder of a lock frozen ${ROUNDS} times past its time`,
    outcome: `knew the loss at once, ${refused} writes refused by their fencing tokens`,
  });
});
