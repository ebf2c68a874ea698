import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
} from "@std/assert";
import {
  AcquireTimeoutError,
  CommandTimeoutError,
  ConnectError,
  InitializationError,
  type ManagerOptions,
  type OverloadedError,
  RedisConnectionManager,
  type RedisManagerError,
} from "../../../mod.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { Blackhole } from "../../support/blackhole.ts";
import { waitFor } from "../../support/clients.ts";
import { report } from "./_report.ts";
import { timed } from "./_stage.ts";

function managerOf(options: ManagerOptions): RedisConnectionManager {
  return new RedisConnectionManager({
    host: "127.0.0.1",
    databases: { main: { db: 0 } },
    ...options,
  });
}

async function failureOf(promise: Promise<unknown>): Promise<RedisManagerError> {
  return (await timed(promise)).error as RedisManagerError;
}

/** The error that says where it was connected to, how often, and what became of it. */
function causeOf(error: Error): ConnectError {
  const cause = error instanceof ConnectError ? error : error.cause;
  assertInstanceOf(cause, ConnectError, error.message);
  return cause;
}

/** Throws unless text and cause say where, how often, and why. */
function assertSaysWhy(error: Error, endpoint: string, why: RegExp): void {
  const cause = causeOf(error);
  assertEquals(cause.endpoint, endpoint);
  assert(cause.attempts >= 1, error.message);
  assertMatch(cause.reason, why);
  assert(cause.cause instanceof Error, error.message);
  assert(error.message.includes(endpoint), error.message);
  assertMatch(error.message, /after \d+ attempts?/);
  assertMatch(error.message, why);
}

Deno.test("what waited for a closed port says endpoint, attempts and the last cause", async () => {
  const port = freePort();
  const endpoint = `127.0.0.1:${port}`;
  // Deadlines that pass while it is tried again: with those of the defaults the test below.
  await using manager = managerOf({
    port,
    commandTimeoutMs: 400,
    acquireTimeoutMs: 400,
    connectRetry: { attempts: 5, minMs: 2000, maxMs: 2000, jitter: 0 },
  });
  const client = manager.getClient("main");
  const [get, lease, pop] = await Promise.all([
    failureOf(client.get("k")),
    failureOf(manager.acquire("main")),
    failureOf(client.blpop("jobs", 1)),
  ]);
  assertInstanceOf(get, CommandTimeoutError);
  assertInstanceOf(lease, AcquireTimeoutError);
  assertInstanceOf(pop, AcquireTimeoutError);
  for (const error of [get, lease, pop]) {
    assertSaysWhy(error, endpoint, /connection refused/);
    assertEquals((causeOf(error).cause as { code?: string }).code, "ECONNREFUSED");
    assertEquals(error.attempts, causeOf(error).attempts);
    assertEquals(error.delivery, "never-sent");
  }
  const health = manager.getHealthStatus().databases.main!;
  assertEquals(health.state, "failed");
  assertMatch(
    health.reason,
    /^cannot reach 127\.0\.0\.1:\d+ after \d+ attempts?: connection refused; next attempt in \d\.\d s$/,
  );
  const response = await manager.healthResponse(new Request("http://pod/readyz"));
  assertEquals(response.status, 503);
  const { reason } = (await response.json()).databases.main;
  assertMatch(reason, /connection refused; next attempt in \d\.\d s/);
  // Two deadlines have passed meanwhile: they only follow from it.
  assertEquals(
    manager.getStatistics().databaseStats.main!.lastError,
    `${endpoint}: connection refused`,
  );
});

Deno.test("with the defaults, every failure on a closed port says why, also while the breaker is open", async () => {
  const port = freePort();
  const endpoint = `127.0.0.1:${port}`;
  await using manager = managerOf({ port });
  const client = manager.getClient("main");
  const errors = await Promise.all([
    failureOf(client.get("k")),
    failureOf(client.blpop("jobs", 1)),
    failureOf(manager.acquire("main")),
    failureOf(manager.pipeline("main", (p) => void p.get("k"))),
  ]);
  for (const error of errors) {
    const told = error.code === "PIPELINE" ? error.cause as Error : error;
    assertSaysWhy(told, endpoint, /connection refused/);
  }
  const after = await failureOf(client.get("k"));
  assertSaysWhy(after, endpoint, /connection refused/);
  const { lastError } = manager.getStatistics().databaseStats.main!;
  assertEquals(lastError, `${endpoint}: connection refused`);
  assertMatch(manager.getHealthStatus().databases.main!.reason, /connection refused/);
  await report({
    row: 57,
    fault: "no connection, and why: closed port",
    outcome: "endpoint, attempts, cause in every error, health, /readyz, lastError",
  });
});

Deno.test("what fails after the breaker's threshold carries why", async () => {
  // One failure opens it: that it does is another row's, what it says is this one's.
  await using manager = managerOf({ port: freePort(), circuitBreakerThreshold: 1 });
  const client = manager.getClient("main");
  // Whichever it is: a deadline, or the open circuit breaker.
  for (let i = 0; i < 2; i++) {
    const error = await failureOf(client.get("k"));
    assertMatch(causeOf(error).reason, /connection refused/);
    assertMatch(error.message, /connection refused/);
  }
});

Deno.test("what waited for a server that does not answer says so, before an attempt is over", async () => {
  await using hole = Blackhole.listen();
  await using manager = managerOf({ port: hole.port, commandTimeoutMs: 500 });
  const error = await failureOf(manager.getClient("main").get("k"));
  assertInstanceOf(error, CommandTimeoutError);
  assertSaysWhy(error, `127.0.0.1:${hole.port}`, /no answer for \d+ ms so far/);
  assertEquals(error.attempts, 1);
});

Deno.test("refused for want of room, it says why nobody is served", async () => {
  await using manager = managerOf({ port: freePort(), maxWaiting: 1 });
  const client = manager.getClient("main");
  const first = failureOf(client.get("k"));
  await waitFor(() => manager.getHealthStatus().databases.main!.state === "failed");
  const error = await failureOf(client.get("k")) as OverloadedError;
  if (error.code === "OVERLOADED") assertMatch(causeOf(error).reason, /refused/);
  else {assertSaysWhy(
      error,
      `127.0.0.1:${manager.config.databases.main!.port}`,
      /refused/,
    );}
  await first;
});

Deno.test("initializeAll() rejects with every database that could not be connected, and why", async () => {
  const port = freePort();
  // As few attempts as can be: how often it is tried: no_server_test.ts.
  await using manager = new RedisConnectionManager({
    connectRetry: { attempts: 1 },
    databases: {
      main: { host: "127.0.0.1", port },
      cache: { host: "127.0.0.1", port: freePort() },
    },
  });
  const error = await assertRejects(() => manager.initializeAll(), InitializationError);
  assertEquals(Object.keys(error.failures), ["main", "cache"]);
  assertMatch(error.message, /"main" at .*refused.*"cache" at .*refused/);
  assertSaysWhy(error.failures.main!, `127.0.0.1:${port}`, /connection refused/);
  assertEquals(error.errors, Object.values(error.failures));
  const settled = await manager.initializeAll({ settle: true });
  assertEquals(Object.keys(settled), ["main", "cache"]);
  assert(settled.main instanceof Error && settled.cache instanceof Error);
});
