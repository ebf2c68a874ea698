import { assertEquals, assertRejects } from "@std/assert";
import { ManagerClosedError } from "../../../mod.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

Deno.test("row 30: closing twice is closing once, and nothing works afterwards", () =>
  onStage({}, async ({ manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    const [first, second] = await Promise.all([manager.closeAll(), manager.closeAll()]);
    assertEquals(first, second);
    assertEquals(await manager.closeAll(), first);
    await assertRejects(() => client.get("k"), ManagerClosedError);
    await assertRejects(() => manager.getAsyncClient("main"), ManagerClosedError);
    await assertRejects(() => manager.acquire("main"), ManagerClosedError);
    await assertRejects(() => manager.healthCheck(), ManagerClosedError);
    await report({ row: 30, fault: "use after close", outcome: "ManagerClosedError" });
  }));
