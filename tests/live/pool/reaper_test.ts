import { assert, assertEquals } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor, within } from "../../../src/testing/wait.ts";
import { configArgs } from "../../support/child_config.ts";
import { TimerWatch } from "../../support/left_over.ts";
import { withManager } from "../../support/managed.ts";

Deno.test("idle connections are closed by themselves, for the reason told", () =>
  withManager(
    {
      cleanupIntervalMs: 20,
      databases: { main: { db: 0, idleTimeoutMs: 30 } },
    },
    async ({ manager, server }) => {
      (await manager.acquire("main")).release();
      const pool = () => manager.getPoolStatistics("main");
      await waitFor(() => pool().evictions.idle_timeout === 1);
      assertEquals([pool().idleConnections, pool().evictions.max_lifetime], [0, 0]);
      assert(Math.abs(Date.parse(pool().lastCleanup!) - Date.now()) < 60_000);
      await waitFor(async () => (await server.clientList("mooring:")).length === 0);
    },
  ));

Deno.test("connections that have lived for max_lifetime are replaced, idle ones and lanes", () =>
  withManager(
    {
      cleanupIntervalMs: 20,
      databases: { main: { db: 0, maxLifetimeMs: 60, minConnections: 1 } },
    },
    async ({ manager, server }) => {
      const client = manager.getClient("main");
      await client.ping();
      const names = async () =>
        (await server.clientList("mooring:")).map(({ id, name }) => [name, id] as const);
      const first = new Map<string, number>();
      await waitFor(async () => {
        for (const [name, id] of await names()) first.set(name, id);
        return first.has("mooring:main:lane") && first.has("mooring:main:lease");
      }, { what: "the lane, and the connection that is kept ready" });
      await waitFor(async () => {
        await client.ping();
        const now = new Map(await names());
        const isNew = (name: string) =>
          now.has(name) && now.get(name) !== first.get(name);
        return isNew("mooring:main:lane") && isNew("mooring:main:lease");
      }, { what: "both to be replaced" });
      const evictions = () => manager.getPoolStatistics("main").evictions;
      // The last of an old one's replies may still be on its way.
      await waitFor(() => evictions().max_lifetime! >= 2, { what: "two evictions" });
      assertEquals(evictions().idle_timeout, 0);
    },
  ));

Deno.test("one timer cleans up for all databases of a manager", async () => {
  // A time that nothing else in the project waits for.
  const INTERVAL_MS = 61_234;
  const databases = { a: { db: 1 }, b: { db: 2 }, c: { db: 3 } };
  using watch = new TimerWatch();
  const timers = () => watch.pending.filter((ms) => ms === INTERVAL_MS).length;
  await withManager(
    { cleanupIntervalMs: INTERVAL_MS, databases },
    async ({ manager }) => {
      assertEquals(timers(), 0);
      for (const name of Object.keys(databases)) {
        await manager.getClient(name).ping();
        (await manager.acquire(name)).release();
      }
      assertEquals(timers(), 1);
    },
  );
  assertEquals(timers(), 0);
});

Deno.test("a manager that is not closed keeps no process alive when its connections are gone", async () => {
  await using server = await RedisServer.start();
  const script = new URL("./_idle_manager.ts", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-prompt", ...configArgs()],
      ...[script.pathname, String(server.port)],
    ],
    stdout: "piped",
  }).spawn();
  const { code, stdout } = await within(
    child.output(),
    60_000,
    "the end of the process",
    () => child.kill("SIGKILL"),
  );
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "lost\n"]);
});
