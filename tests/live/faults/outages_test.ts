import { assert, assertEquals } from "@std/assert";
import { CircuitOpenError } from "../../../mod.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { delay } from "../../support/clients.ts";
import { SteadyCallers, withDefaults } from "./_defaults.ts";
import { report } from "./_report.ts";
import { assertTook, IS_FULL, type Reading, Stopwatch } from "./_stage.ts";

/** Outages, how often each is tried, and how soon the server must be served again. */
const OUTAGES = [
  { downMs: 300, times: IS_FULL ? 10 : 4, withinMs: 1000 },
  { downMs: 3000, times: IS_FULL ? 10 : 3, withinMs: 1000 },
  { downMs: 10_000, times: IS_FULL ? 10 : 1, withinMs: 1000 },
  ...IS_FULL ? [{ downMs: 60_000, times: 3, withinMs: 2500 }] : [],
];

for (const { downMs, times, withinMs } of OUTAGES) {
  Deno.test(`after an outage of ${downMs / 1000} s a server is served within ${withinMs} ms of its return`, () =>
    withDefaults(async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.set("k", 1);
      const recoveries: Reading[] = [];
      for (let n = 0; n < times; n++) {
        const callers = new SteadyCallers(() => client.get("k"));
        await waitFor(() => callers.served > 10);
        await server.kill();
        await delay(downMs);
        await server.restart();
        using watch = new Stopwatch();
        const backAt = performance.now();
        await waitFor(() => callers.servedAt > backAt, { timeoutMs: 60_000, everyMs: 1 });
        recoveries.push(watch.read());
        await callers.stop();
        assertEquals(manager.getHealthStatus().databases.main!.circuitBreaker, "closed");
        // Commands wait within their deadline of 5 s: of a shorter outage none notices.
        if (downMs < 4000) {
          assertEquals(callers.errors.map(({ message }) => message), []);
        }
      }
      for (const reading of recoveries) assertTook(reading, { most: withinMs });
      await report({
        row: 52,
        fault: `outage of ${downMs / 1000} s, ${times} times`,
        outcome: "served again; the longest recovery is shown",
        recoveredMs: Math.max(...recoveries.map(({ ms }) => ms)),
      });
    }));
}

Deno.test("a server that is back is connected and its breaker closed without a caller", () =>
  withDefaults(async ({ breaker, manager, server }) => {
    const client = manager.getClient("main");
    await client.ping();
    await server.kill();
    const callers = new SteadyCallers(() => client.get("k"), 50);
    const isOpen = () => manager.getHealthStatus().databases.main!.circuitBreaker;
    await waitFor(() => isOpen() === "open", {
      timeoutMs: 60_000,
      what: "an open breaker",
    });
    await callers.stop();
    const refused = await client.get("k").then(() => undefined, (error) => error);
    assert(refused instanceof CircuitOpenError, String(refused));
    // It says when the server is tried next, and not how long the cooldown is.
    assert(refused.retryAfterMs <= 4000, `${refused.retryAfterMs}`);
    const { totalOperations } = manager.getStatistics();
    await server.restart();
    using watch = new Stopwatch();
    await waitFor(() => isOpen() === "closed", { timeoutMs: 60_000, everyMs: 5 });
    watch.assertWithin({ most: 1500 }, "closing the breaker");
    await waitFor(() => manager.getPoolStatistics("main").lanes === 1);
    assertEquals(manager.getStatistics().totalOperations, totalOperations);
    assertEquals(breaker.at(-1)!.split(" ")[1], "closed");
    // What the probe opened is the lane: nothing is opened twice.
    await delay(1200);
    assertEquals((await server.clientList("mooring:main:")).length, 1);
  }));

Deno.test("leases, subscriptions and blocking commands come back as soon after an outage", () =>
  withDefaults(async ({ manager, server }) => {
    const client = manager.getClient("main");
    await client.set("k", 1);
    let heard = 0;
    await using _subscription = await manager.subscribe(
      "main",
      ["news"],
      () => void heard++,
    );
    await server.kill();
    const leasing = new SteadyCallers(async () => {
      // So long that none fails where the machine is busy: how soon they come is judged below.
      await using lease = await manager.acquire("main", { timeoutMs: 60_000 });
      await lease.client.get("k");
    }, 50);
    const blocked = client.blpop("list", 20).then(String, String);
    await delay(6000);
    await server.restart();
    using watch = new Stopwatch();
    const backAt = performance.now();
    await waitFor(() => leasing.servedAt > backAt, { timeoutMs: 60_000, everyMs: 1 });
    watch.assertWithin({ most: 1000 }, "a lease");
    await waitFor(async () => {
      await server.cli("PUBLISH", "news", "hello");
      return heard > 0;
    }, { timeoutMs: 60_000, everyMs: 10 });
    watch.assertWithin({ most: 2000 }, "a message");
    await server.cli("RPUSH", "list", "x");
    await leasing.stop();
    assertEquals(leasing.errors.map(String), []);
    assert(typeof await blocked === "string");
  }));
