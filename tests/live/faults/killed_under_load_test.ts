import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { RedisManagerError } from "../../../mod.ts";
import { Ledger } from "../../support/accounting.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";
import { assertCountsAgree, Stopwatch } from "./_stage.ts";

const CALLERS = 500;

Deno.test("killed under load and restarted, each INCR counts once or is told as ambiguous", () =>
  withManager(
    {
      commandTimeoutMs: 3000,
      databases: { main: { db: 0 } },
    },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      const ledger = new Ledger();
      let running = true;
      using _stop = { [Symbol.dispose]: () => void (running = false) };
      let killedAt = Infinity;
      let noticedMs: number | undefined;
      const failures: unknown[] = [];
      const notice = (error: unknown) => {
        failures.push(error);
        noticedMs ??= performance.now() - killedAt;
      };
      const caller = async (i: number) => {
        while (running) {
          if (i % 2 === 0) await client.get("n").catch(notice);
          else {
            await ledger.run("n", () =>
              client.incr("n").catch((error) => {
                notice(error);
                throw error;
              }));
          }
          await delay(1);
        }
      };
      const callers = Array.from({ length: CALLERS }, (_, i) => caller(i));
      await delay(300);
      killedAt = performance.now();
      await server.kill();
      await delay(300);
      await server.restart();
      using recovery = new Stopwatch();
      await waitFor(() => client.get("n").then(() => true), {
        what: "a read",
        timeoutMs: 30_000,
      });
      const { ms: recoveredMs } = recovery.assertWithin({ most: 1000 }, "recovery");
      await delay(200);
      running = false;
      await Promise.all(callers);
      const verdict = await ledger.assert(async (name) =>
        Number(await server.cli("GET", name))
      );
      for (const error of failures) assertInstanceOf(error, RedisManagerError);
      assert(verdict.acknowledged > CALLERS, `acknowledged ${verdict.acknowledged}`);
      await assertCountsAgree(server, manager);
      assertEquals(manager.getPoolStatistics("main").inFlight, 0);
      await report({
        row: 3,
        fault: "kill -9 under load",
        outcome: `${verdict.acknowledged} acknowledged, ` +
          `${verdict.ambiguous} ambiguous, 0 doubles`,
        ...(noticedMs === undefined ? {} : { noticedMs }),
        recoveredMs,
      });
    },
    { persistence: "aof" },
  ));
