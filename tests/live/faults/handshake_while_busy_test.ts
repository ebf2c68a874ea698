import { assertEquals } from "@std/assert";
import { delay } from "../../support/clients.ts";
import { keepBusy, SOON_BUSY } from "./_busy.ts";
import { onStage, timed } from "./_stage.ts";

Deno.test("a connection that is opened while a script runs waits, and has its name and number afterwards", () =>
  onStage(
    {
      manager: { commandTimeoutMs: 20_000, databases: { main: { db: 3 } } },
      server: SOON_BUSY,
    },
    async ({ server, manager }) => {
      const end = await keepBusy(server);
      const client = manager.getClient("main");
      const waiting = timed(client.incr("n"));
      await delay(500);
      await end();
      const { value, error } = await waiting;
      assertEquals(error, undefined);
      assertEquals(value, 1);
      const rows = await server.clientList("mooring:main:lane");
      assertEquals(rows.map(({ db }) => db), [3]);
      const stats = manager.getStatistics().databaseStats.main!;
      assertEquals([stats.failedConnections, stats.circuitBreakerTrips], [0, 0]);
    },
  ));

Deno.test("what a script's last moment refused of a handshake is sent again", () => {
  const refused: string[] = [];
  const script = ([name = "", what = ""]: string[]) => {
    const text = `${name} ${what}`.toLowerCase();
    if (!/^(select|client setname)/.test(text) || refused.includes(text)) {
      return undefined;
    }
    refused.push(text);
    return "-BUSY Redis is busy running a script.\r\n";
  };
  return onStage(
    { manager: { databases: { main: { db: 3 } } }, relay: { script } },
    async ({ server, relay, manager }) => {
      assertEquals(await manager.getClient("main").incr("n"), 1);
      assertEquals(relay.accepted.length, 1);
      assertEquals(refused, ["select 3", "client setname"]);
      const rows = await server.clientList("mooring:main:lane");
      assertEquals(rows.map(({ db }) => db), [3]);
    },
  );
});
