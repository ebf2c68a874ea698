import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  Operations,
  serverAttributes,
} from "../../../../src/observability/telemetry/operations.ts";

Deno.test("Operations.named() gives one object for a name, in capital letters", () => {
  const operations = new Operations({ "db.system.name": "redis" });
  const get = operations.named("get");
  assertEquals(get.name, "GET");
  assertEquals(get.span, {
    kind: 2,
    attributes: { "db.system.name": "redis", "db.operation.name": "GET" },
  });
  assertStrictEquals(operations.named("get"), get);
});

Deno.test("Operations.named() tells only so many names apart", () => {
  const operations = new Operations({});
  for (let i = 0; i < 500; i++) operations.named(`made-up-${i}`);
  assertEquals(operations.named("one-more").name, "_OTHER");
  assertStrictEquals(operations.named("and-another"), operations.named("one-more"));
  assertEquals(operations.named("made-up-7").name, "MADE-UP-7");
});

Deno.test("Operations.ofBatch() names a batch after what its commands have in common", () => {
  const operations = new Operations({});
  for (
    const [names, kind, expected] of [
      [["set", "set"], "PIPELINE", "PIPELINE SET"],
      [["set", "get"], "PIPELINE", "PIPELINE"],
      [["incr", "incr"], "MULTI", "MULTI INCR"],
      [["incr", "get"], "MULTI", "MULTI"],
      [["get"], "PIPELINE", "GET"],
      [[], "PIPELINE", "PIPELINE"],
    ] as const
  ) {
    assertEquals(operations.ofBatch(names, kind).name, expected);
  }
});

Deno.test("serverAttributes() reads hosts, IPv6 addresses and Unix sockets", () => {
  assertEquals(serverAttributes("redis.example:6380"), {
    "server.address": "redis.example",
    "server.port": 6380,
  });
  assertEquals(serverAttributes("[::1]:6379"), {
    "server.address": "::1",
    "server.port": 6379,
  });
  assertEquals(serverAttributes("unix:/run/redis.sock"), {
    "server.address": "/run/redis.sock",
  });
});
