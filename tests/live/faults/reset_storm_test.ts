import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { CircuitOpenError, ConnectionState, RedisManagerError } from "../../../mod.ts";
import type { ManagerEventMap } from "../../../src/core/events.ts";
import { delay } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { assertTook, onStage, type Reading, Stopwatch } from "./_stage.ts";

const STORM_MS = 5000;

Deno.test("a storm of resets opens the breaker, probes are few, and it closes again", () =>
  onStage(
    // The stage's quick retries let the breaker open within the storm: attempts count once
    // in connect_retry.min, so that by default it opens after 8 s (outages_test.ts).
    { manager: { commandTimeoutMs: 20_000 } },
    async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      const changes: ManagerEventMap["breaker"][] = [];
      const states: ManagerEventMap["statechange"][] = [];
      manager.addEventListener("breaker", ({ detail }) => changes.push(detail));
      manager.addEventListener("statechange", ({ detail }) => states.push(detail));
      using watch = new Stopwatch();
      let openedAt: number | undefined;
      relay.welcome = "reset";
      for (const connection of relay.connections) connection.reset();
      let healed: Reading | undefined;
      const healing = delay(STORM_MS).then(() => {
        relay.heal();
        healed = watch.read();
      });
      let recovery: Reading | undefined;
      while (recovery === undefined) {
        const error = await client.incr("n").then(() => undefined, (error) => error);
        const now = watch.ms;
        if (error !== undefined) assertInstanceOf(error, RedisManagerError);
        else if (healed !== undefined) recovery = watch.since(healed);
        if (error instanceof CircuitOpenError) {
          openedAt ??= now;
          assert(error.retryAfterMs <= 4000, String(error.retryAfterMs));
        }
        await delay(5);
        assert(now < STORM_MS + 20_000, "it never recovered");
      }
      await healing;
      assert(openedAt !== undefined && openedAt < STORM_MS, "the breaker never opened");
      assertEquals([changes[0]!.from, changes[0]!.to], ["closed", "open"]);
      assertEquals([changes.at(-1)!.from, changes.at(-1)!.to], ["open", "closed"]);
      const { failedConnections } = manager.getStatistics().databaseStats.main!;
      assert(failedConnections >= 4, `${failedConnections} failed connections`);
      const { ms: recoveredMs } = recovery;
      const connects = relay.accepted.length - 1;
      const perSecond = connects / ((STORM_MS + recoveredMs) / 1000);
      assert(perSecond <= 10, `${perSecond} connects a second`);
      assert(
        states.some(({ to }) => to === ConnectionState.FAILED),
        Deno.inspect(states),
      );
      assertTook(recovery, { most: 1500 }, "recovery");
      await report({
        row: 20,
        fault: "RST storm",
        outcome: `breaker opened and closed, ${connects} connects in all`,
        noticedMs: openedAt,
        recoveredMs,
      });
    },
  ));

Deno.test("what takes connections and hangs up at each command is not connected to in a hot loop", () => {
  let hangUp = () => {};
  const script = ([name]: string[]) => {
    if (name?.toLowerCase() === "get") hangUp();
    return undefined;
  };
  // Nothing but the distance between two attempts slows it down.
  const settings = { circuitBreakerThreshold: 1_000_000, healthCheckIntervalMs: 0 };
  return onStage(
    { manager: settings, relay: { script } },
    async ({ manager, relay }) => {
      const client = manager.getClient("main");
      await client.ping();
      hangUp = () => relay.reset();
      const start = performance.now();
      const callers = Array.from({ length: 20 }, async () => {
        while (relay.accepted.length < 10) await client.get("k").catch(() => {});
      });
      await Promise.all(callers);
      const tookMs = performance.now() - start;
      hangUp = () => {};
      // The first connection was there, the second came at once, eight kept their distance.
      assert(tookMs >= 8 * 110, `nine connects within ${tookMs} ms`);
      await client.get("k");
    },
  );
});
