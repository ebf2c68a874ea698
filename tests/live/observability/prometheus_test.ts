import { assert, assertEquals } from "@std/assert";
import { PROMETHEUS_CONTENT_TYPE } from "../../../mod.ts";
import { capacityAsked, withManager } from "../../support/managed.ts";
import { readExposition, valueOf } from "../../unit/observability/exposition.ts";
import { withEndpoint } from "./_serve.ts";

Deno.test("/metrics says what the server says, by promtool's rules", () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 5 }, cache: { db: 3 } } },
    ({ manager, server }) =>
      withEndpoint(manager, async (ask) => {
        const main = manager.getClient("main");
        await Promise.all(Array.from({ length: 30 }, (_, i) => main.set(`k${i}`, i)));
        await Promise.allSettled([main.lpush("k0", 1), main.get("k1"), main.get("no")]);
        await using lease = await manager.acquire("main");
        await lease.client.ping();
        await manager.healthCheck();
        await capacityAsked(server);
        const { status, headers, text } = await ask("/metrics");
        assertEquals(status, 200);
        assertEquals(headers.get("content-type"), PROMETHEUS_CONTENT_TYPE);
        const read = readExposition(text);
        assertEquals(read.problems, []);
        assertEquals(
          Object.keys(read.types).filter((n) => !n.startsWith("mooring_redis_")),
          [],
        );
        const of = (name: string, labels: Record<string, string> = {}) =>
          valueOf(read, `mooring_redis_${name}`, {
            database: "main",
            db: "0",
            ...labels,
          });
        const calls = async (command: string) => {
          const { [`cmdstat_${command}`]: line } = await server.info("commandstats");
          return Number(/calls=(\d+)/.exec(line!)![1]);
        };
        const [set, get, lpush] = await Promise.all(["set", "get", "lpush"].map(calls));
        // The lease's own PING counts too; those of the health check do not.
        assertEquals(of("commands_succeeded_total"), set! + get! + 1);
        assertEquals(of("commands_failed_total"), lpush);
        assertEquals(of("command_duration_seconds_count"), set! + get! + lpush! + 1);
        const seconds = of("command_duration_seconds_sum");
        assert(seconds > 0 && seconds < 30, `${seconds} s`);
        const { keyspace_hits: hits, keyspace_misses: misses } = await server.info(
          "stats",
        );
        assertEquals([of("cache_hits_total"), of("cache_misses_total")], [
          Number(hits),
          Number(misses),
        ]);
        const open = (await server.clientList("mooring:main:")).length;
        const states = ["lane", "leased", "idle", "connecting"];
        const counts = states.map((state) => of("connections", { state }));
        assertEquals([counts, open], [[1, 1, 0, 0], 2]);
        assertEquals([of("connections_opened_total"), of("connections_max")], [2, 5]);
        const { bytesReceived, bytesSent } = manager.getStatistics().databaseStats.main!;
        assertEquals(
          [of("sent_bytes_total"), of("received_bytes_total"), bytesSent > 1000],
          [bytesSent, bytesReceived, true],
        );
        const { pingMs } = manager.getHealthStatus().databases.main!;
        assertEquals(of("ping_seconds"), pingMs! / 1000);
        const cache = { database: "cache", db: "3" };
        assertEquals(valueOf(read, "mooring_redis_commands_succeeded_total", cache), 0);
      }),
  ));

Deno.test("toPrometheus() counts on while getStatistics({ reset: true }) cuts windows", () =>
  withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
    const main = manager.getClient("main");
    for (let round = 1; round <= 5; round++) {
      await Promise.all([main.set("k", round), main.get("k"), main.get("no")]);
      manager.getStatistics({ reset: true });
      const read = readExposition(manager.toPrometheus());
      assertEquals(read.problems, []);
      assertEquals(
        [
          "commands_succeeded_total",
          "cache_hits_total",
          "cache_misses_total",
          "command_duration_seconds_count",
        ].map((name) => valueOf(read, `mooring_redis_${name}`)),
        [round * 3, round, round, round * 3],
      );
    }
  }));
