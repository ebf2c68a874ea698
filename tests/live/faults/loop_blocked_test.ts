import { assertEquals } from "@std/assert";
import { delay } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { plainOutcome } from "./_plain.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

const BLOCKED_MS = IS_FULL ? 3000 : 1000;

function blockFor(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until) continue;
}

for (const transport of ["node", "deno"] as const) {
  Deno.test(`with transport ${transport}, replies that came while the loop was blocked win over deadlines`, () =>
    withManager(
      { commandTimeoutMs: 400, transport, databases: { main: { db: 0 } } },
      async ({ manager, server }) => {
        const client = manager.getClient("main");
        await server.cli("SET", "big", "x".repeat(50_000));
        await client.with({ timeoutMs: 20_000 }).ping();
        for (let round = 0; round < 4; round++) {
          server.pause();
          // More than one read of the socket is needed for all of it.
          const replies = Promise.allSettled([
            client.get("big"),
            client.incr("n"),
            client.get("big"),
            ...Array.from({ length: 10 }, () => client.incr("n")),
          ]);
          await delay(20);
          server.resume();
          blockFor(BLOCKED_MS);
          const settled = await replies;
          assertEquals(settled.filter(({ status }) => status === "rejected"), []);
        }
        assertEquals(await server.cli("GET", "n"), "44");
        const plain = await plainOutcome(server.port, async (redis) => {
          await redis.ping();
          server.pause();
          const replies = Promise.allSettled(
            Array.from({ length: 10 }, () => redis.incr("plain")),
          );
          await delay(20);
          server.resume();
          blockFor(1000);
          const late = (await replies).filter(({ status }) => status === "rejected");
          return `${late.length} of 10 timed out`;
        }, { commandTimeout: 400 });
        await report({
          ...plain,
          row: 13,
          fault: `loop blocked ${BLOCKED_MS / 1000} s, deadline 0.4 s (${transport})`,
          outcome: "0 false timeouts in 52",
        });
      },
    ));
}
