import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespClient } from "../../../src/testing/resp_client.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";

Deno.test("assertNoConnectionsLeft() names the connections left", async () => {
  await using server = await RedisServer.start();
  const target = { hostname: server.host, port: server.port };
  using _other = await RespClient.connect(target, { name: "other" });
  await assertNoConnectionsLeft(server, "app");
  using client = await RespClient.connect(target, { name: "app:main:1" });
  await client.send("ECHO", "x");
  const error = await assertRejects(
    () => assertNoConnectionsLeft(server, "app", { withinMs: 50 }),
    Error,
    `1 connections "app*" left after 50 ms`,
  );
  assertStringIncludes(error.message, `name "app:main:1", from 127.0.0.1:`);
  assertStringIncludes(error.message, "last command echo");
});

Deno.test("assertNoConnectionsLeft() waits for connections that are just closing", async () => {
  await using server = await RedisServer.start();
  const target = { hostname: server.host, port: server.port };
  const client = await RespClient.connect(target, { name: "app" });
  const timer = setTimeout(() => client.close(), 100);
  const start = performance.now();
  await assertNoConnectionsLeft(server, "app");
  assert(performance.now() - start >= 90);
  clearTimeout(timer);
});

Deno.test("assertNoConnectionsLeft() throws when the server cannot be asked", async () => {
  await using server = await RedisServer.start();
  await server.kill();
  await assertRejects(() => assertNoConnectionsLeft(server, "app", { withinMs: 50 }));
});

Deno.test("waitFor() gives the first truthy value", async () => {
  let looks = 0;
  assertEquals(await waitFor(() => ++looks === 3 && "third", { everyMs: 1 }), "third");
  assertEquals(looks, 3);
});

Deno.test("waitFor() says what it waited for, how long, and what it saw last", async () => {
  const error = await assertRejects(
    () => waitFor(() => 0, { what: "a miracle", timeoutMs: 30 }),
    Error,
    "Waited 30 ms for a miracle in vain",
  );
  assertStringIncludes(error.message, "last 0");
  const cause = new Error("not yet");
  const rejected = await assertRejects(
    () => waitFor(() => Promise.reject(cause), { timeoutMs: 30 }),
    Error,
    "last not yet",
  );
  assertEquals(rejected.cause, cause);
});

Deno.test("delay() waits", async () => {
  const start = performance.now();
  await delay(30);
  assert(performance.now() - start >= 29);
});
