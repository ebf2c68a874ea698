import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { CommandTimeoutError } from "../../../mod.ts";
import { waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { plainOutcome, within } from "./_plain.ts";
import { report } from "./_report.ts";
import { timed } from "./_stage.ts";

Deno.test("row 9: a hung server gives CommandTimeoutError at the deadline, and nothing runs twice", () =>
  withManager(
    {
      commandTimeoutMs: 300,
      connectTimeoutMs: 300,
      connectRetry: { attempts: 50, minMs: 50, maxMs: 100 },
      circuitBreakerThreshold: 1000,
      databases: { main: { db: 0 } },
    },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.set("n", 0);
      const closed: string[] = [];
      manager.addEventListener("connection", ({ detail }) => {
        if (detail.action === "closed") closed.push(detail.reason ?? "");
      });
      server.pause();
      const sent = await Promise.all([
        timed(client.incr("n")),
        timed(client.get("n")),
        timed(client.incr("n")),
      ]);
      for (const { ms, error } of sent) {
        assertInstanceOf(error, CommandTimeoutError);
        assert(ms >= 290 && ms < 400, `took ${ms} ms`);
        assertEquals(error.delivery, "ambiguous");
      }
      await waitFor(() => closed.length === 1, { what: "the watchdog", timeoutMs: 200 });
      assert(/no bytes/.test(closed[0]!), closed[0]);
      // No connection can be opened now: this one never leaves the process.
      const late = await timed(client.incr("n"));
      assertInstanceOf(late.error, CommandTimeoutError);
      assertEquals(late.error.delivery, "never-sent");
      const resumedAt = performance.now();
      server.resume();
      while (!await client.ping().then(() => true, () => false)) continue;
      const recoveredMs = performance.now() - resumedAt;
      // The two that were sent ran when the server went on, the third never.
      assertEquals(await client.get("n"), "2");
      assert(recoveredMs < 1000, `recovered after ${recoveredMs} ms`);
      const plain = await plainOutcome(server.port, async (redis) => {
        await redis.ping();
        server.pause();
        const told = await within(2000, redis.incr("plain"));
        server.resume();
        return told;
      });
      await report({
        ...plain,
        row: 9,
        fault: "SIGSTOP of the server",
        outcome: "timeout at the deadline, ambiguous, 0 doubles",
        noticedMs: sent[0]!.ms,
        recoveredMs,
      });
    },
  ));
