import { assertEquals } from "@std/assert";
import { HealthEndpoint, type Probed } from "../../../src/manager/health_endpoint.ts";
import type { DatabaseHealth } from "../../../src/observability/types.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";

class FakeDatabase implements Probed {
  checks = 0;
  answer = Promise.withResolvers<boolean>();
  state: DatabaseHealth["state"] = "healthy";
  reason = "connected";
  readonly servers = this;

  constructor(readonly name: string) {}

  health(): DatabaseHealth {
    return {
      state: this.state,
      reason: this.reason,
      since: "2026-01-01T00:00:00.000Z",
      endpoint: "127.0.0.1:6379",
      db: 0,
      circuitBreaker: "closed",
      lastError: null,
      pingMs: null,
    };
  }

  check(): Promise<boolean> {
    this.checks++;
    return this.answer.promise;
  }
}

function setup() {
  const clock = new FakeClock();
  const main = new FakeDatabase("main");
  const cache = new FakeDatabase("cache");
  const manager = { isClosed: false };
  const endpoint = new HealthEndpoint({
    isClosed: () => manager.isClosed,
    uptimeSeconds: () => 7,
    databases: () => [main, cache],
    metrics: () => "# metrics\n",
  }, clock);
  const ask = (path: string, method = "GET") =>
    endpoint.respond(new Request(`http://localhost${path}`, { method }));
  return { clock, main, cache, manager, ask };
}

Deno.test("HealthEndpoint answers /healthz without asking a server, and 503 once closed", async () => {
  const { main, manager, ask } = setup();
  const alive = await ask("/healthz");
  assertEquals(alive.status, 200);
  assertEquals(await alive.json(), { status: "ok", uptimeSeconds: 7 });
  manager.isClosed = true;
  for (const path of ["/healthz", "/readyz"]) {
    const closed = await ask(path);
    assertEquals([closed.status, (await closed.json()).status], [503, "closed"]);
  }
  assertEquals(main.checks, 0);
});

Deno.test("HealthEndpoint answers /readyz with 200 when every database serves", async () => {
  const { clock, main, cache, ask } = setup();
  main.answer.resolve(true);
  cache.answer.resolve(true);
  main.state = "degraded";
  main.reason = "3 failures lately";
  const response = await ask("/readyz");
  const since = "2026-01-01T00:00:00.000Z";
  assertEquals(response.status, 200);
  assertEquals(await response.json(), {
    status: "ready",
    databases: {
      main: { ready: true, state: "degraded", reason: "3 failures lately", since },
      cache: { ready: true, state: "healthy", reason: "connected", since },
    },
  });
  assertEquals(clock.pending, 0);
});

Deno.test("HealthEndpoint answers /readyz with 503 and the reasons when one does not serve", async () => {
  const { main, cache, ask } = setup();
  main.answer.resolve(true);
  cache.answer.reject(new Error("no"));
  cache.state = "failed";
  cache.reason = "circuit breaker open";
  const response = await ask("/readyz");
  const { status, databases } = await response.json();
  assertEquals([response.status, status], [503, "not ready"]);
  assertEquals([databases.main.ready, databases.cache.ready], [true, false]);
  assertEquals(databases.cache.reason, "circuit breaker open");
});

Deno.test("HealthEndpoint does not wait for a database that does not answer", async () => {
  const { clock, main, cache, ask } = setup();
  main.answer.resolve(true);
  const asked = ask("/readyz");
  await clock.advance(800);
  const response = await asked;
  const { databases } = await response.json();
  assertEquals(response.status, 503);
  assertEquals(databases.cache.reason, "no answer within 800 ms");
  assertEquals([databases.main.ready, clock.pending], [true, 0]);
  // Whoever asks meanwhile joins the question that is under way.
  const again = ask("/readyz?database=cache");
  cache.answer.resolve(true);
  assertEquals([(await again).status, cache.checks], [200, 1]);
  await (await ask("/readyz?database=cache")).body?.cancel();
  assertEquals([main.checks, cache.checks], [1, 2]);
});

Deno.test("HealthEndpoint checks only the databases that are named, and refuses unknown ones", async () => {
  const { main, cache, ask } = setup();
  cache.answer.resolve(true);
  const one = await ask("/readyz?database=cache");
  assertEquals(Object.keys((await one.json()).databases), ["cache"]);
  assertEquals([one.status, main.checks], [200, 0]);
  const unknown = await ask("/readyz?database=cache&database=nope");
  assertEquals(unknown.status, 404);
  assertEquals(await unknown.json(), { error: 'there is no database "nope"' });
});

Deno.test("HealthEndpoint answers /metrics with the text and its Content-Type", async () => {
  const { ask } = setup();
  const response = await ask("/metrics");
  assertEquals(response.status, 200);
  assertEquals(
    response.headers.get("content-type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  assertEquals(await response.text(), "# metrics\n");
});

Deno.test("HealthEndpoint answers HEAD without a body, and refuses what it does not know", async () => {
  const { main, cache, ask } = setup();
  main.answer.resolve(true);
  cache.answer.resolve(true);
  for (const path of ["/healthz", "/readyz", "/metrics"]) {
    const head = await ask(path, "HEAD");
    assertEquals([head.status, await head.text()], [200, ""]);
    assertEquals(head.headers.get("cache-control"), "no-store");
    const post = await ask(path, "POST");
    assertEquals([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
    assertEquals(await post.json(), { error: "method POST is not allowed" });
  }
  for (const path of ["/", "/healthz/", "/toString", "/__proto__"]) {
    const missing = await ask(path, "POST");
    assertEquals([missing.status, await missing.json()], [404, { error: "not found" }]);
  }
});
