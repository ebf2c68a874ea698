import { assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { CommandTimeoutError } from "../../../mod.ts";
import { waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { plainOutcome, within } from "./_plain.ts";
import { report } from "./_report.ts";
import { assertTook, Stopwatch, timed } from "./_stage.ts";

Deno.test("a hung server gives CommandTimeoutError at the deadline, and nothing runs twice", () =>
  withManager(
    {
      // Deadlines are to pass, several in a row, and nothing but them is to fail calls: with
      // defaults, row 59 (health_check_of_a_dead_server_test.ts) and row 65 hang a server.
      commandTimeoutMs: 600,
      connectTimeoutMs: 600,
      connectRetry: { attempts: 50, minMs: 50, maxMs: 100 },
      circuitBreakerThreshold: 1000,
      databases: { main: { db: 0 } },
    },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.with({ timeoutMs: 20_000 }).set("n", 0);
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
      for (const each of sent) {
        assertInstanceOf(each.error, CommandTimeoutError);
        assertTook(each, { least: 480, most: 700 });
        assertEquals([each.error.delivery, each.error.attempts], ["ambiguous", 1]);
        const { waitingMs, answeringMs } = each.error.elapsed!;
        assertEquals(waitingMs, 0);
        assertTook({ ...each, ms: answeringMs! }, { least: 480, most: 700 });
      }
      using watchdog = new Stopwatch();
      await waitFor(() => closed.length === 1, { what: "the watchdog" });
      watchdog.assertWithin({ most: 200 }, "the watchdog");
      assertMatch(closed[0]!, /no reply for \d+ ms/);
      // No connection can be opened now: this one never leaves the process.
      const late = await timed(client.incr("n"));
      assertInstanceOf(late.error, CommandTimeoutError);
      assertEquals(late.error.delivery, "never-sent");
      assertTook({ ...late, ms: late.error.elapsed!.waitingMs! }, { least: 480 });
      assertMatch(
        late.error.message,
        /it was not sent and will not run \(waiting \d+ ms\)/,
      );
      using recovery = new Stopwatch();
      server.resume();
      while (!await client.ping().then(() => true, () => false)) continue;
      const { ms: recoveredMs } = recovery.assertWithin({ most: 1000 }, "recovery");
      // The two that were sent ran when the server went on, the third never.
      assertEquals(await client.with({ timeoutMs: 20_000 }).get("n"), "2");
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
