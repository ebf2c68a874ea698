// Runs alone: it measures the memory of its process.
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ProtocolError } from "../../../mod.ts";
import { delay } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

const BOMBS: readonly [string, string][] = [
  ["arrays of 33,000,000 within each other", "*33000000\r\n".repeat(4)],
  ["a bulk string of 100 GB", "$100000000000\r\n"],
  ["a map of 2,000,000,000", "%2000000000\r\n"],
  ["10,000 levels", "*1\r\n".repeat(10_000)],
];

Deno.test("declared sizes over the caps are refused before memory is taken", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    for (const [what, bytes] of BOMBS) {
      await client.ping();
      server.pause();
      const before = Deno.memoryUsage().rss;
      const busy = client.incr("n").then(() => undefined, (error) => error);
      await delay(10);
      await relay.connections.at(-1)!.inject(bytes);
      assertInstanceOf(await busy, ProtocolError, what);
      server.resume();
      const grown = Deno.memoryUsage().rss - before;
      assert(grown < 50 * 1024 ** 2, `${what}: ${grown} bytes more`);
    }
    assertEquals(await client.ping(), "PONG");
  }));

Deno.test("the caps are settings of each database", () =>
  onStage(
    {
      manager: {
        maxRetries: 0,
        databases: {
          main: {
            db: 0,
            replyLimits: { maxBulkBytes: 65_536, maxAggregateElements: 64 },
          },
          other: { db: 0 },
        },
      },
    },
    async ({ server, manager }) => {
      const [main, other] = [manager.getClient("main"), manager.getClient("other")];
      await server.cli("SET", "fits", "x".repeat(65_536));
      await server.cli("SET", "big", "x".repeat(65_537));
      await server.cli("RPUSH", "list", ...Array.from({ length: 65 }, (_, i) => i));
      assertEquals((await main.get("fits"))?.length, 65_536);
      for (const read of [() => main.get("big"), () => main.lrange("list", 0, -1)]) {
        const error = await read().catch((error) => error);
        assertInstanceOf(error, ProtocolError);
      }
      assertEquals((await other.get("big"))?.length, 65_537);
      assertEquals((await other.lrange("list", 0, -1)).length, 65);
      assertEquals(await main.ping(), "PONG");
    },
  ));

Deno.test("a line without end is refused at its cap", () =>
  onStage({ manager: { commandTimeoutMs: 5000 } }, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    server.pause();
    const before = Deno.memoryUsage().rss;
    const start = performance.now();
    const busy = client.incr("n").then(() => undefined, (error) => error);
    await delay(10);
    const [connection] = relay.connections;
    const part = new Uint8Array(256 * 1024).fill(0x78);
    let sent = 0;
    await connection!.inject("+");
    while (await connection!.inject(part)) sent += part.length;
    const error = await busy;
    server.resume();
    assertInstanceOf(error, ProtocolError);
    const mib = 1024 ** 2;
    assert(sent >= 15 * mib && sent < 40 * mib, `${sent / mib} MiB were sent`);
    const grown = (Deno.memoryUsage().rss - before) / mib;
    assert(grown < 200, `${grown} MiB more`);
    assertEquals(await client.ping(), "PONG");
    await report({
      row: 43,
      fault: "memory bombs",
      outcome: `refused by caps, ${Math.max(0, Math.round(grown))} MiB more at most`,
      noticedMs: performance.now() - start,
    });
  }));
