import { assert, assertEquals, assertRejects } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { finishLoading, loadingServer, slowLoader } from "../faults/_loading.ts";
import { type Ask, type Fetched, withEndpoint } from "./_serve.ts";

/** A load that a busy machine does not miss, and in which the server finds the time to say
 * that it loads; the test ends it. */
const LONG_LOAD_MS = 4000;

const TWO = { databases: { main: { db: 0 }, cache: { db: 1 } } };

/** Asks until all is well: a busy machine may take longer than 800 ms to connect. */
function whenReady(ask: Ask, path = "/readyz"): Promise<Fetched> {
  return waitFor(async () => {
    const answer = await ask(path);
    return answer.status === 200 && answer;
  }, { what: "readiness" });
}

Deno.test("healthResponse() says over HTTP that all is well, and connects what it asks", () =>
  withManager(TWO, ({ manager, server }) =>
    withEndpoint(manager, async (ask) => {
      const alive = await ask("/healthz");
      assertEquals([alive.status, JSON.parse(alive.text).status], [200, "ok"]);
      assertEquals((await server.clientList("mooring:")).length, 0);
      const one = await whenReady(ask, "/readyz?database=cache");
      assertEquals(Object.keys(JSON.parse(one.text).databases), ["cache"]);
      assertEquals((await server.clientList("mooring:cache:")).length, 1);
      assertEquals((await server.clientList("mooring:")).length, 1);
      const all = await whenReady(ask);
      assertEquals(all.headers.get("cache-control"), "no-store");
      assertEquals(all.headers.get("content-type"), "application/json; charset=utf-8");
      const { databases } = JSON.parse(all.text);
      const { since, ...main } = databases.main;
      assertEquals(main, { ready: true, state: "healthy", reason: "connected" });
      assert(Math.abs(Date.parse(since) - Date.now()) < 60_000, since);
      assertEquals((await ask("/readyz?database=nope")).status, 404);
      assertEquals((await ask("/readyz", { method: "HEAD" })).text, "");
      assertEquals((await ask("/readyz", { method: "POST" })).status, 405);
      assertEquals((await ask("/")).status, 404);
    })));

Deno.test("healthResponse() says 503 and why while a server is gone, and 200 again after it", () =>
  withManager(TWO, ({ manager, server }) =>
    withEndpoint(manager, async (ask) => {
      await whenReady(ask);
      const killedAt = Date.now();
      await server.kill();
      const gone = await ask("/readyz?database=main");
      assertEquals(gone.status, 503);
      const { since, reason } = await waitFor(async () => {
        const { status, text } = await ask("/readyz?database=main");
        const { main } = JSON.parse(text).databases;
        assertEquals([status, main.ready], [503, false]);
        return main.state === "failed" && main;
      }, { what: "the state failed" });
      assert(/refused|circuit breaker/i.test(reason), reason);
      assert(Date.parse(since) >= killedAt, since);
      assertEquals((await ask("/healthz")).status, 200);
      await server.restart();
      await whenReady(ask);
    })));

Deno.test("healthResponse() says 503 after 800 ms when a server hangs, however many ask", () =>
  withManager(TWO, ({ manager, server }) =>
    withEndpoint(manager, async (ask) => {
      await whenReady(ask);
      server.pause();
      const startedAt = performance.now();
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => ask("/readyz?database=main")),
      );
      const tookMs = performance.now() - startedAt;
      server.resume();
      // That it is not later, but for a busy machine, is shown on fake time.
      assert(tookMs >= 790 && tookMs < 8000, `${tookMs} ms`);
      for (const { status, text } of answers) {
        assertEquals(status, 503);
        const { reason } = JSON.parse(text).databases.main;
        assertEquals(reason, "no answer within 800 ms");
      }
      await whenReady(ask);
    })));

Deno.test("healthResponse() says 503 as long as a server is loading, at the start and later", async () => {
  await using server = await loadingServer(LONG_LOAD_MS);
  {
    await using manager = new RedisConnectionManager({
      host: server.host,
      port: server.port,
      databases: { main: { db: 0 } },
    });
    await withEndpoint(manager, async (ask) => {
      const check = async () => {
        const { reason } = await waitFor(async () => {
          const { status, text } = await ask("/readyz");
          assertEquals(status, 503, text);
          const { main } = JSON.parse(text).databases;
          return main.state === "degraded" && main;
        }, { what: "the word that it loads" });
        assertEquals(reason, "server is loading its data");
        assertEquals((await ask("/healthz")).status, 200);
        await finishLoading(server);
        await whenReady(ask);
      };
      await check();
      const { config } = slowLoader(LONG_LOAD_MS);
      await server.cli("CONFIG", "SET", "key-load-delay", `${config!["key-load-delay"]}`);
      const reloader = await server.connect();
      const reloading = reloader.send("DEBUG", "RELOAD", "NOSAVE");
      // Where the test fails, the server is gone before it has answered.
      reloading.catch(() => {});
      await waitFor(async () => (await server.info("persistence")).loading === "1", {
        what: "loading in mid-life",
      });
      await check();
      await reloading;
      reloader.close();
    });
  }
  await assertNoConnectionsLeft(server, "mooring:");
});

Deno.test("healthResponse() holds no password, whatever goes wrong", async () => {
  await using server = await RedisServer.start({ password: "s3cret-right" });
  await using manager = new RedisConnectionManager({
    url: `redis://default:s3cret-wrong@${server.host}:${server.port}`,
    databases: { main: { db: 0 } },
  });
  await assertRejects(() => manager.getAsyncClient("main"));
  await withEndpoint(manager, async (ask) => {
    const answers = await Promise.all(
      ["/healthz", "/readyz", "/metrics"].map((p) => ask(p)),
    );
    assertEquals(answers.map(({ status }) => status), [200, 503, 200]);
    for (const { text } of answers) assert(!text.includes("s3cret"), text);
  });
});

Deno.test("healthResponse() says 503 once the manager is being closed", () =>
  withManager(TWO, ({ manager }) =>
    withEndpoint(manager, async (ask) => {
      await manager.getClient("main").ping();
      await manager.closeAll();
      for (const path of ["/healthz", "/readyz"]) {
        const { status, text } = await ask(path);
        assertEquals([status, JSON.parse(text).status], [503, "closed"]);
      }
      assertEquals((await ask("/metrics")).status, 200);
    })));
