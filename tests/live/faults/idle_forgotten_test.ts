import { assertEquals } from "@std/assert";
import { delay } from "../../support/clients.ts";
import { capacityAsked } from "../../support/managed.ts";
import { report } from "./_report.ts";
import { assertTook, onStage, timed } from "./_stage.ts";

for (const command of ["incr", "get"] as const) {
  for (
    const [when, forgetAfterIdleMs] of [
      ["connection", 2000],
      ["question that is under way", 500],
    ] as const
  ) {
    Deno.test(`the first ${command.toUpperCase()} after a middlebox forgot the ${when} succeeds in time`, () =>
      onStage(
        { manager: { commandTimeoutMs: 3000 }, relay: { forgetAfterIdleMs } },
        async ({ server, manager }) => {
          const client = manager.getClient("main");
          await client.set("n", 0);
          if (forgetAfterIdleMs > 1000) await capacityAsked(server);
          await delay(forgetAfterIdleMs > 1000 ? 2100 : 1100);
          const first = timed<number | string | null>(client[command]("n"));
          const followers = Promise.all([client.incr("n"), client.get("n")]);
          const told = await first;
          const { ms, value, error } = told;
          assertEquals(error, undefined);
          assertTook(told, { most: 3000 });
          assertEquals(value, command === "incr" ? 1 : "0");
          const sum = command === "incr" ? 2 : 1;
          assertEquals(await followers, [sum, String(sum)]);
          assertEquals(await server.cli("GET", "n"), String(sum));
          const { failedOperations } = manager.getStatistics().databaseStats.main!;
          assertEquals(failedOperations, 0);
          await report({
            row: 11,
            fault: "idle connection forgotten",
            outcome: `first ${command.toUpperCase()} served`,
            recoveredMs: ms,
          });
        },
      ));
  }
}

Deno.test("a living connection that was idle serves a write after one PING, in order", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await client.set("n", 0);
    await capacityAsked(server);
    await delay(1100);
    assertEquals(
      await Promise.all([client.incr("n"), client.get("n"), client.incr("n")]),
      [1, "1", 2],
    );
    assertEquals(relay.accepted.length, 1);
    const { calls } = stats(await server.info("commandstats"), "ping");
    assertEquals(calls, 2, "one when it was opened, one after the silence");
  }));

Deno.test("the heartbeat keeps the middlebox from forgetting", () =>
  onStage(
    { manager: { healthCheckIntervalMs: 150 }, relay: { forgetAfterIdleMs: 2000 } },
    async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.set("n", 0);
      await delay(2500);
      assertEquals(await client.incr("n"), 1);
      assertEquals(relay.accepted.length, 1);
    },
  ));

function stats(info: Record<string, string>, command: string): { calls: number } {
  const line = info[`cmdstat_${command}`] ?? "";
  return { calls: Number(/calls=(\d+)/.exec(line)?.[1] ?? 0) };
}
