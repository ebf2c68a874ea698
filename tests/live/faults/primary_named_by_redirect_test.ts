import { assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import { startReplicated } from "../../support/replicated.ts";
import { report } from "./_report.ts";

const CALLERS = 20;

/** Whether the server says where the primary is: Valkey 8 and later. */
async function namesPrimary(): Promise<boolean> {
  await using servers = await startReplicated();
  using client = await servers.primary.connect();
  return await client.send("CLIENT", "CAPA", "redirect") === "OK";
}

const canRedirect = await namesPrimary();

Deno.test({
  name:
    "a standalone primary that hands over (FAILOVER) is followed, and every INCR counts once",
  ignore: !canRedirect,
  fn: async () => {
    await using servers = await startReplicated();
    const { primary, replica } = servers;
    const manager = new RedisConnectionManager({
      host: primary.host,
      port: primary.port,
      databases: { main: { db: 0 } },
    });
    const client = manager.getClient("main");
    const moves: string[] = [];
    manager.addEventListener("failover", ({ detail }) => moves.push(detail.to));
    const failures: unknown[] = [];
    let [acknowledged, isRunning] = [0, true];
    const callers = Array.from({ length: CALLERS }, async () => {
      while (isRunning) {
        await client.incr("n").then(
          () => acknowledged++,
          (error) => failures.push(error),
        );
        await delay(2);
      }
    });
    await waitFor(() => acknowledged > 10 * CALLERS);
    await primary.cli("FAILOVER", "TO", replica.host, replica.port);
    await waitFor(() => moves.length > 0, { timeoutMs: 30_000, what: "the failover" });
    const before = acknowledged;
    await waitFor(() => acknowledged > before + 10 * CALLERS, {
      timeoutMs: 30_000,
      what: "writes on the new primary",
    });
    isRunning = false;
    await Promise.all(callers);
    assertEquals(moves, [`${replica.host}:${replica.port}`]);
    assertEquals(failures, []);
    assertEquals(Number(await replica.cli("GET", "n")), acknowledged);
    await manager.closeAll();
    for (const server of [primary, replica]) {
      await assertNoConnectionsLeft(server, "mooring:");
    }
    await report({
      row: 63,
      fault: "standalone failover of Valkey (REDIRECT host:port)",
      outcome: `${acknowledged} acknowledged, 0 failed, 0 lost`,
    });
  },
});

Deno.test("a replica that is connected to on purpose still answers reads", async () => {
  await using servers = await startReplicated();
  const { primary, replica } = servers;
  await using manager = new RedisConnectionManager({
    host: replica.host,
    port: replica.port,
    databases: { main: { db: 0 } },
  });
  await primary.cli("SET", "k", "v");
  const client = manager.getClient("main");
  assertEquals(await waitFor(async () => await client.get("k")), "v");
  // On a busy machine the next connection may take longer than the deadline.
  const hasty = client.with({ timeoutMs: 300 });
  await waitFor(async () => (await hasty.set("k", 1).catch(String)).includes("READONLY"));
});
