import { assert, assertEquals } from "@std/assert";
import type { ManagerEventMap, SubscriptionGap } from "../../../mod.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

Deno.test("after a lost connection everything is subscribed to again, and a gap is told", () =>
  onStage({}, async ({ manager, relay, server }) => {
    const events: ManagerEventMap["gap"][] = [];
    manager.addEventListener("gap", (event) => void events.push(event.detail));
    const heard: (string | SubscriptionGap)[] = [];
    await using _handled = await manager.subscribe("main", ["a"], (message) => {
      heard.push(message);
    }, { onGap: (gap) => void heard.push(gap) });
    const iterated = await manager.subscribe("main", {
      patterns: ["b*"],
      shards: ["s"],
    });
    const items = iterated[Symbol.asyncIterator]();
    await server.cli("PUBLISH", "a", "before");
    await waitFor(() => heard.length === 1);

    const lostAt = performance.now();
    await relay.refuse();
    relay.reset();
    await waitFor(async () => (await server.cli("PUBSUB", "NUMPAT")) === 0);
    await server.cli("PUBLISH", "a", "lost");
    await relay.listen();
    const healedAt = performance.now();
    await waitFor(() => heard.length === 2);
    const recoveredMs = performance.now() - healedAt;
    const [, gap] = heard;
    assert(typeof gap === "object" && gap.reason === "reconnected", Deno.inspect(gap));
    assert(gap.downMs! > 0 && gap.downMs! <= performance.now() - lostAt);

    await server.cli("PUBLISH", "a", "after");
    await server.cli("PUBLISH", "b1", "pattern");
    await server.cli("SPUBLISH", "s", "shard");
    await waitFor(() => heard.length === 3);
    assertEquals([heard[0], heard[2]], ["before", "after"]);
    const told = [await items.next(), await items.next(), await items.next()]
      .map(({ value }) => value!.kind === "gap" ? value!.reason : value!.message);
    assertEquals(told, ["reconnected", "pattern", "shard"]);
    assertEquals(events.map(({ reason, subscriptions }) => [reason, subscriptions]), [
      ["reconnected", 2],
    ]);
    const { evictions, leases } = manager.getPoolStatistics("main");
    assertEquals([leases, evictions.ended], [1, 1]);
    await iterated.unsubscribe();
    await report({
      row: 38,
      fault: "subscriber connection reset",
      outcome: "resubscribed, gap told",
      recoveredMs,
    });
  }));

Deno.test("a half-open subscriber connection is found by its heartbeat", () =>
  onStage({
    manager: {
      databases: { main: { db: 0, healthCheckIntervalMs: 100, commandTimeoutMs: 1000 } },
    },
  }, async ({ manager, relay, server }) => {
    const gaps: SubscriptionGap[] = [];
    const heard: string[] = [];
    await using _subscription = await manager.subscribe("main", ["a"], (message) => {
      heard.push(message);
    }, { onGap: (gap) => void gaps.push(gap) });
    const startedAt = performance.now();
    for (const connection of relay.connections) connection.blackhole();
    await waitFor(() => gaps.length >= 1, { timeoutMs: 20_000, what: "the gap" });
    const noticedMs = performance.now() - startedAt;
    await waitFor(async () => {
      await server.cli("PUBLISH", "a", "after");
      return heard.length >= 1;
    });
    await report({
      row: 38,
      fault: "subscriber connection half open",
      outcome: "found, resubscribed, gap told",
      noticedMs,
    });
  }));

Deno.test("a message in one chunk with the confirmation comes after the gap", () => {
  let subscribed = 0;
  let hold = () => {};
  const script = ([name]: string[]) => {
    if (name?.toLowerCase() === "subscribe" && ++subscribed === 2) hold();
    return undefined;
  };
  return onStage({ relay: { script } }, async ({ manager, relay, server }) => {
    hold = () => relay.connections.at(-1)!.set({ toClient: { kind: "stall" } });
    const heard: (string | SubscriptionGap)[] = [];
    await using _subscription = await manager.subscribe("main", ["a"], (message) => {
      heard.push(message);
    }, { onGap: (gap) => void heard.push(gap) });
    relay.reset();
    await waitFor(() => subscribed === 2);
    await waitFor(async () => Number(await server.cli("PUBLISH", "a", "first")) === 1);
    relay.heal();
    await waitFor(() => heard.length === 2);
    assertEquals(heard.map((each) => typeof each === "string" ? each : each.kind), [
      "gap",
      "first",
    ]);
  });
});
