import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ManagerClosedError } from "../../../mod.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

Deno.test("closing twice is closing once, and nothing works afterwards", () =>
  onStage({}, async ({ manager, relay }) => {
    const client = manager.getClient("main");
    const lease = await manager.acquire("main");
    const subscription = await manager.subscribe("main", ["c"]);
    await client.ping();
    const [first, second] = await Promise.all([
      manager.closeAll({ drainMs: 50 }),
      manager.closeAll(),
    ]);
    assertEquals(first, second);
    assertEquals(await manager.closeAll(), first);
    await manager[Symbol.asyncDispose]();
    const connects = relay.accepted.length;
    const pipeline = client.pipeline().get("k");
    const rejecting: (() => Promise<unknown>)[] = [
      () => client.get("k"),
      () => client.blpop("q", 0),
      () => client.with({ timeoutMs: 100 }).get("k"),
      () => manager.getAsyncClient("main"),
      () => manager.acquire("main"),
      () => manager.pipeline("main", (p) => void p.get("k")),
      () => manager.transaction("main", (tx) => void tx.get("k")),
      () => manager.subscribe("main", ["c"]),
      () => manager.initializeAll(),
      () => manager.healthCheck(),
      () => manager.cleanupIdleConnections(),
    ];
    for (const use of rejecting) {
      await assertRejects(use, ManagerClosedError, undefined, use.toString());
    }
    const throwing: (() => unknown)[] = [
      () => manager.getClient("main"),
      () => manager.addDatabase("other", { db: 1 }),
    ];
    for (const use of throwing) {
      assertThrows(use, ManagerClosedError, undefined, use.toString());
    }
    const outcomes = await pipeline.exec();
    assertEquals(outcomes?.map(([error]) => error?.name), ["ManagerClosedError"]);
    // What there was before is over, and can be let go of.
    assertEquals([subscription.isClosed, lease.released], [true, false]);
    await assertRejects(() => lease.client.get("k"));
    lease.release();
    await subscription.unsubscribe();
    assertEquals(relay.accepted.length, connects);
    await report({ row: 30, fault: "use after close", outcome: "ManagerClosedError" });
  }));
