import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ManagerEventMap, OverloadedError } from "../../../mod.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";

const MAIN = { databases: { main: { db: 0 } } };

Deno.test("subscription drops the oldest messages of a slow consumer, and says so first", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const gaps: ManagerEventMap["gap"][] = [];
    manager.addEventListener("gap", (event) => void gaps.push(event.detail));
    const heard: string[] = [];
    await using subscription = await manager.subscribe("main", ["a"], undefined, {
      maxQueued: 10,
    });
    await using _quick = await manager.subscribe(
      "main",
      ["a"],
      (m) => void heard.push(m),
    );
    for (let i = 0; i < 100; i++) await server.cli("PUBLISH", "a", String(i));
    await waitFor(() => heard.length === 100);
    assertEquals([subscription.queued, subscription.dropped], [10, 90]);
    const items: string[] = [];
    for await (const item of subscription) {
      items.push(item.kind === "gap" ? `gap ${item.reason} ${item.lost}` : item.message);
      if (items.length === 11) break;
    }
    assertEquals(items.slice(0, 3), ["gap overflow 90", "90", "91"]);
    assertEquals(items.at(-1), "99");
    assertEquals(gaps, [
      { database: "main", reason: "overflow", subscriptions: 1, lost: 90 },
    ]);
  }));

Deno.test("subscription bounds what waits by bytes, too", () =>
  withManager(MAIN, async ({ manager, server }) => {
    await using subscription = await manager.subscribe("main", ["a"], undefined, {
      maxQueuedBytes: 10_000,
    });
    const large = "x".repeat(3000);
    for (let i = 0; i < 20; i++) await server.cli("PUBLISH", "a", large);
    await waitFor(() => subscription.dropped === 17);
    assertEquals(subscription.queued, 3);
    // One that is larger by itself waits alone.
    await server.cli("PUBLISH", "a", "y".repeat(50_000));
    await waitFor(() => subscription.queued === 1);
  }));

for (
  const [by, limit, what, current] of [
    ["count", { maxQueued: 3 }, "messages", 3],
    // Each is as long as its text and the name of its channel.
    ["bytes", { maxQueuedBytes: 3003 }, "bytes of messages", 4004],
  ] as const
) {
  Deno.test(`subscription that is to close ends with an error when too much waits by ${by}`, () =>
    withManager(MAIN, async ({ manager, server }) => {
      const slow = await manager.subscribe("main", ["a"], undefined, {
        ...limit,
        overflow: "close",
      });
      for (let i = 0; i < 3; i++) await server.cli("PUBLISH", "a", "x".repeat(1000));
      await waitFor(() => slow.queued === 3);
      assertEquals([slow.isClosed, slow.dropped], [false, 0]);
      await server.cli("PUBLISH", "a", "x".repeat(1000));
      const error = await slow.closed;
      assert(error instanceof OverloadedError, String(error));
      assertEquals([error.current, error.limit], [current, Object.values(limit)[0]]);
      assert(error.message.includes(` ${what} that wait`), error.message);
      // What waited is not held any longer.
      assertEquals(slow.queued, 0);
      const iterator = slow[Symbol.asyncIterator]();
      await assertRejects(() => iterator.next(), OverloadedError);
      assertEquals(await iterator.next(), { done: true, value: undefined });
      await waitFor(async () => (await server.clientList("mooring:main:")).length === 0);
    }));
}

Deno.test("subscription hands a slow handler one message at a time, in order", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const heard: string[] = [];
    let atWork = 0;
    let most = 0;
    await using _subscription = await manager.subscribe(
      "main",
      ["a"],
      async (message) => {
        most = Math.max(most, ++atWork);
        await new Promise((resolve) => setTimeout(resolve, 1));
        heard.push(message);
        atWork--;
      },
    );
    for (let i = 0; i < 30; i++) await server.cli("PUBLISH", "a", String(i));
    await waitFor(() => heard.length === 30);
    assertEquals(most, 1);
    assertEquals(heard.map(Number), Array.from({ length: 30 }, (_, i) => i));
  }));
