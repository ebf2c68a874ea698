import { assert } from "@std/assert";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { TokenLedger } from "../../support/accounting.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { plainOutcome } from "./_plain.ts";
import { report } from "./_report.ts";
import { assertCountsAgree } from "./_stage.ts";

/** Kills and restarts a server under load; each time until it serves again. */
async function killFiveTimes(
  server: RedisServer,
  ping: () => Promise<unknown>,
): Promise<void> {
  for (let kills = 0; kills < 5; kills++) {
    await delay(150);
    await server.kill();
    await delay(50);
    await server.restart();
    await waitFor(ping, { what: `recovery ${kills}`, timeoutMs: 30_000 });
  }
}

Deno.test("killed five times under 50 writers, nothing is lost, doubled or a ghost", () =>
  withManager(
    {
      commandTimeoutMs: 3000,
      databases: { main: { db: 0 } },
    },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      const ledger = new TokenLedger();
      let running = true;
      using _stop = { [Symbol.dispose]: () => void (running = false) };
      let ambiguous = 0;
      const writer = async () => {
        while (running) {
          const outcome = await ledger.run((token) => client.rpush("log", token));
          if (outcome === "ambiguous") ambiguous++;
          if (outcome !== "acknowledged") await delay(10);
        }
      };
      const writers = Array.from({ length: 50 }, writer);
      await killFiveTimes(server, () => client.ping());
      running = false;
      await Promise.all(writers);
      const log = await server.cli("LRANGE", "log", 0, -1);
      const { ok, ...rest } = ledger.verdict(log as string[]);
      assert(ok, Deno.inspect(rest));
      assert(ambiguous > 0 && (log as string[]).length > 100);
      await assertCountsAgree(server, manager);
      const plain = await plainOutcome(server.port, async (redis) => {
        await redis.ping();
        let running = true;
        let next = 0;
        const writer = async () => {
          while (running) await redis.rpush("plain", `${next++}`).catch(() => delay(10));
        };
        const writers = Array.from({ length: 50 }, writer);
        await killFiveTimes(server, () => redis.ping());
        running = false;
        await Promise.all(writers);
        const log = await server.cli("LRANGE", "plain", 0, -1) as string[];
        return `${log.length} written, ${log.length - new Set(log).size} doubles`;
      });
      await report({
        ...plain,
        row: 46,
        fault: "kill -9 five times, 50 writers",
        outcome: `${(log as string[]).length} written, ${ambiguous} ambiguous, 0 doubles`,
      });
    },
    { persistence: "aof" },
  ));
