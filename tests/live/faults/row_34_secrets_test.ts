import { assert, assertEquals } from "@std/assert";
import { delay } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

const SECRET = "s3cret-hunter2";

/** Everything that a program may print of a value. */
function faces(value: unknown): string[] {
  const texts = [
    () => Deno.inspect(value, { depth: 20, showHidden: true, getters: true }),
    () => String(value),
    () => JSON.stringify(value) ?? "",
  ].map(textOf);
  if (value instanceof Error) texts.push(value.stack ?? "", ...faces(value.cause));
  return texts;
}

function textOf(print: () => string): string {
  try {
    return print();
  } catch (error) {
    // Circular, or a lease that is over: then that is what is printed.
    return Deno.inspect(error);
  }
}

Deno.test("row 34: after use of a password it appears nowhere", () =>
  onStage(
    {
      manager: { password: SECRET, commandTimeoutMs: 20_000 },
      server: { password: SECRET },
    },
    async ({ server, relay, manager }) => {
      const printed: string[] = [];
      const original = { log: console.log, error: console.error, warn: console.warn };
      for (const level of ["log", "error", "warn"] as const) {
        console[level] = (...args: unknown[]) => printed.push(args.map(String).join(" "));
      }
      try {
        const seen: unknown[] = [];
        for (const type of ["connection", "breaker", "statechange", "loading"] as const) {
          manager.addEventListener(type, ({ detail }) => seen.push(detail));
        }
        const client = manager.getClient("main");
        await client.set("k", "v");
        const lease = await manager.acquire("main");
        await lease.client.ping();
        seen.push(
          lease,
          lease.client,
          await lease.client.auth("default", "nope").catch((e) => e),
        );
        lease.release();
        seen.push(await client.call("nonsense").catch((error) => error));
        server.pause();
        const hurried = client.with({ timeoutMs: 300 });
        seen.push(await hurried.incr("n").catch((error) => error));
        server.resume();
        await server.cli("CONFIG", "SET", "requirepass", "another");
        for (const connection of relay.connections) connection.end();
        await delay(20);
        seen.push(await client.incr("n").catch((error) => error));
        seen.push(manager, client, manager.config, manager.config.explain("main"));
        seen.push(manager.getStatistics(), manager.getHealthStatus());
        seen.push(manager.getPoolStatistics("main"), manager.getMetrics("main"));
        seen.push(manager.listDatabases(), await manager.healthCheck());
        assert(seen.length > 15);
        for (const each of seen) {
          for (const text of faces(each)) assert(!text.includes(SECRET), text);
        }
        assertEquals(printed.filter((text) => text.includes(SECRET)), []);
      } finally {
        Object.assign(console, original);
      }
      await report({ row: 34, fault: "secrets", outcome: "shown nowhere" });
    },
  ));
