import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Logger, RedisConfigLoader, RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { runDeno } from "../config/run_child.ts";
import { finishLoading, loadingServer } from "../faults/_loading.ts";

function keep() {
  const lines: string[] = [];
  const to = (level: string) => (message: string, fields: Record<string, unknown>) =>
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = {
    debug: to("debug"),
    info: to("info"),
    warn: to("warn"),
    error: to("error"),
  };
  const has = (...words: string[]) =>
    lines.some((line) => words.every((word) => line.includes(word)));
  return { lines, logger, has };
}

Deno.test("a manager logs what its connections and its server do", async () => {
  await using server = await loadingServer(10_000);
  const { lines, logger, has } = keep();
  const { host, port } = server;
  {
    await using manager = new RedisConnectionManager({
      host,
      port,
      leakDetectionThresholdMs: 20,
      // The breaker opens at the end of one call.
      circuitBreakerThreshold: 3,
      connectRetry: { attempts: 3, minMs: 5, maxMs: 5 },
      databases: { main: { db: 0 } },
      logger,
    });
    const ready = manager.getAsyncClient("main");
    await waitFor(() => has("info", "the server is loading its data"));
    await finishLoading(server);
    await ready;
    assert(has("debug", 'redis "main": connection', "was opened", '"action":"opened"'));
    {
      await using _lease = await manager.acquire("main");
      await waitFor(() => has("warn", "a lease is held for"), { what: "the leak" });
    }
    await server.kill();
    await waitFor(() => has("warn", "was closed", '"end":"lost"'), { what: "the loss" });
    assert(!has("info", "was closed"), lines.join("\n"));
    await assertRejects(() => manager.getClient("main").get("k"));
    assert(has("warn", `no connection to ${host}:${port} could be opened`));
    assert(has("error", "circuit breaker went from closed to open"));
    assert(has("error", "to failed"));
  }
});

Deno.test("a manager logs the warnings of its configuration and of its servers", async () => {
  await using server = await RedisServer.start({ config: { maxclients: "30" } });
  const { lines, logger, has } = keep();
  const config = await RedisConfigLoader.load({
    yamlText: "databases: { main: { db: 7 }, other: { db: 7 } }",
    env: { REDIS_HOST: server.host, REDIS_PORT: String(server.port) },
  });
  await using manager = new RedisConnectionManager(config, { logger });
  assertEquals(lines.length, config.warnings.length);
  await manager.getClient("main").ping();
  await waitFor(() => has("warn", "maxclients"), { what: "the server's warning" });
});

Deno.test("a manager limits what it logs of a server that is gone", async () => {
  await using server = await RedisServer.start();
  await server.stop();
  const { lines, logger } = keep();
  {
    await using manager = new RedisConnectionManager({
      port: server.port,
      // Many failures of one kind, which the breaker does not end.
      circuitBreakerThreshold: 1000,
      connectRetry: { attempts: 25, minMs: 1, maxMs: 1, jitter: 0 },
      databases: { main: { db: 0 } },
    }, { logger });
    await assertRejects(() => manager.getClient("main").get("k"));
  }
  const failed = lines.filter((line) => line.includes("no connection to"));
  assertEquals(failed.length, 10);
  const leftOut = lines.filter((line) => line.includes('"event":"suppressed"'));
  assertEquals(leftOut.length, 1);
  // All of the 25 attempts of the caller, and those of the recovery probe.
  const [, count] = /(\d+) more lines about "connection failed"/.exec(leftOut[0]!) ?? [];
  assert(Number(count) >= 15, leftOut[0]);
});

Deno.test("a manager's log holds no password, right or wrong", async () => {
  await using server = await RedisServer.start({ password: "s3cret-right" });
  const { lines, logger } = keep();
  const { host, port } = server;
  for (const password of ["s3cret-wrong", "s3cret-right"]) {
    await using manager = new RedisConnectionManager({
      url: `redis://default:${password}@${host}:${port}`,
      databases: { main: { db: 0 } },
    }, { logger });
    await manager.getClient("main").ping().catch(() => {});
  }
  await using provided = new RedisConnectionManager({
    host,
    port,
    password: () => Promise.reject(new Error("no redis://app:s3cret-vault@vault")),
    connectRetry: { attempts: 1 },
    databases: { main: { db: 0 } },
  }, { logger });
  await provided.getClient("main").ping().catch(() => {});
  assert(lines.length >= 4, lines.join("\n"));
  assert(!lines.join("\n").includes("s3cret"), lines.join("\n"));
  // What is shown elsewhere comes from the same errors.
  const ready = new Request("http://localhost/readyz");
  const shown = [
    JSON.stringify(provided.getStatistics()),
    JSON.stringify(provided.getHealthStatus()),
    JSON.stringify(provided.getMetrics()),
    await (await provided.healthResponse(ready)).text(),
  ].join("\n");
  assert(shown.includes("//***@vault"), shown);
  assert(!shown.includes("s3cret"), shown);
});

Deno.test("a manager without a logger prints nothing", async () => {
  await using server = await RedisServer.start();
  const child = new URL("./_quiet_child.ts", import.meta.url).pathname;
  const { stdout, stderr } = await runDeno([
    ...["run", "-A"],
    ...[child, String(server.port)],
  ]);
  assertEquals([stdout, stderr], ["", ""]);
});
