import { assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionLostError } from "../../../mod.ts";
import { plainOutcome } from "./_plain.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

const VALUE = "v".repeat(1024 * 1024);

Deno.test("a read cut in the middle of 1 MiB is read again, whole", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await server.cli("SET", "big", VALUE);
    await server.cli("SET", "small", "s");
    await client.ping();
    for (const afterBytes of [1, 10, 1000, 500_000, VALUE.length + 9]) {
      const cut = { kind: "cut", afterBytes, how: "reset" } as const;
      relay.connections[0]!.set({ toClient: cut });
      const [big, small] = await Promise.all([client.get("big"), client.get("small")]);
      assertEquals(big === VALUE, true, `cut after ${afterBytes}`);
      assertEquals(small, "s");
    }
    assertEquals(manager.getStatistics().databaseStats.main!.failedOperations, 0);
  }));

Deno.test("a write cut in the middle of its reply is ambiguous, the next reply is right", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await server.cli("SET", "big", VALUE);
    await client.ping();
    const cut = { kind: "cut", afterBytes: 4000, how: "reset" } as const;
    relay.connections[0]!.set({ toClient: cut });
    const error = await client.getset("big", "new").then(() => undefined, (e) => e);
    assertInstanceOf(error, ConnectionLostError);
    assertEquals(error.delivery, "ambiguous");
    assertEquals(await client.get("big"), "new");
    const plain = await plainOutcome(relay.port, async (redis) => {
      await redis.ping();
      await server.cli("SET", "big", VALUE);
      relay.connections.at(-1)!.set({ toClient: cut });
      const got = await redis.getset("big", "plain");
      return got === VALUE ? "the old value" : `GETSET ran twice: it got "${got}"`;
    });
    await report({
      ...plain,
      row: 5,
      fault: "cut inside 1 MiB",
      outcome: "read again, ambiguous",
    });
  }));
