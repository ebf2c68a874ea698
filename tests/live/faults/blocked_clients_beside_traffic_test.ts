import { assert, assertEquals } from "@std/assert";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";
import { Stopwatch } from "./_stage.ts";

/** The bound on GET's p99 is kept by `bench/blocking_bench.ts`: a ratio needs quiet. */
Deno.test("50 BLPOPs wait beside traffic, each value goes to one of them", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 60 } } },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.set("k", "v");
      const popped: string[] = [];
      const consumers = Array.from({ length: 50 }, async () => {
        for (;;) {
          const [, value] = await client.blpop("jobs", 0) ?? [];
          if (value === "stop") return;
          popped.push(value!);
        }
      });
      const blocked = async () => (await server.info("clients")).blocked_clients;
      await waitFor(async () => await blocked() === "50");
      assertEquals(manager.getPoolStatistics("main").leases, 50);
      // None of them is on the lane: 2,000 GETs are answered while all wait.
      using watch = new Stopwatch();
      for (let i = 0; i < 100; i++) {
        const got = await Promise.all(Array.from({ length: 20 }, () => client.get("k")));
        assert(got.every((value) => value === "v"));
        assertEquals(popped, []);
      }
      watch.assertWithin({ most: 2000 }, "2,000 GETs");
      for (let i = 0; i < 500; i++) await client.rpush("jobs", `job ${i}`);
      await waitFor(() => popped.length === 500);
      assertEquals(new Set(popped).size, 500);
      for (let i = 0; i < 50; i++) await client.rpush("jobs", "stop");
      await Promise.all(consumers);
      const { leases, waiting } = manager.getPoolStatistics("main");
      assertEquals([leases, waiting, await blocked()], [0, 0, "0"]);
      await report({ row: 26, fault: "50 BLPOPs", outcome: "the lane stays free" });
    },
  ));
