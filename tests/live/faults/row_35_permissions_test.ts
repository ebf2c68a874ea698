import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { runChild } from "./_child.ts";
import { report } from "./_report.ts";

Deno.test("row 35: without --allow-net one sentence names the flag", async () => {
  await using server = await RedisServer.start();
  const permissions = ["--allow-env", "--allow-read"];
  const { text } = await runChild("_permission_child.ts", [String(server.port)], {
    permissions,
  });
  assertStringIncludes(text, "ConnectError");
  assertStringIncludes(text, "--allow-net");
  assertEquals(text.trim().split("\n").length, 1, text);
});

Deno.test("row 35: read, ffi, sys, run and write are not needed", async () => {
  await using server = await RedisServer.start();
  const permissions = ["--allow-env", "--allow-net"];
  const { text } = await runChild("_permission_child.ts", [String(server.port)], {
    permissions,
  });
  assertEquals(text.trim(), "PONG");
  await assertNoConnectionsLeft(server, "mooring:");
});

Deno.test("row 35: without --allow-env the runtime names the flag", async () => {
  await using server = await RedisServer.start();
  const { text } = await runChild("_permission_child.ts", [String(server.port)], {
    permissions: ["--allow-net", "--allow-read"],
  });
  assertStringIncludes(text, "--allow-env");
  await report({
    row: 35,
    fault: "permissions denied",
    outcome: "the flag is named; read and ffi are not needed",
  });
});
