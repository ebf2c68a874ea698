import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ManagerOptions } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { nodeNetSetsKeepalive } from "../../../src/transport/keepalive.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { runChild } from "./_child.ts";
import { report } from "./_report.ts";

/** What the child prints with everything but these permissions. */
async function without(denied: readonly string[], options: object): Promise<string> {
  const permissions = ["-A", ...denied.map((name) => `--deny-${name}`)];
  const { text } = await runChild("_permission_child.ts", [JSON.stringify(options)], {
    permissions,
  });
  return text.trim();
}

/** One sentence, of one attempt: asking again would be refused again. */
function assertNamed(text: string, flags: string): void {
  assertEquals(text.split("\n").length, 1, text);
  assertMatch(
    text,
    /^ConnectError: Cannot connect database "main" to .* after 1 attempt/,
  );
  assert(text.endsWith(`run it with ${flags}`), text);
}

for (const transport of ["node", "deno"] as const) {
  Deno.test(`without --allow-net one sentence names the flag, on transport ${transport}`, async () => {
    await using server = await RedisServer.start();
    for (const host of ["127.0.0.1", "localhost"]) {
      const { port } = server;
      const text = await without(["net"], { host, port, transport });
      assertNamed(text, `--allow-net=${host}:${port}`);
    }
    assertEquals(await server.clientList(), []);
  });

  Deno.test(`a Unix socket names the flags that it needs, on transport ${transport}`, async () => {
    await using server = await RedisServer.start();
    const { unixSocket } = server;
    const denied = ["read", "write"].map((name) => `--allow-${name}=${unixSocket}`);
    const both = await without(["read", "write"], { unixSocket, transport });
    assertNamed(both, denied.join(" "));
    assertNamed(await without(["write"], { unixSocket, transport }), denied[1]!);
    const net = await without(["net"], { unixSocket, transport });
    // Deno 2.8 wants no permission of the network for it.
    if (net !== "PONG heartbeat null") assertNamed(net, `--allow-net=unix:${unixSocket}`);
  });
}

Deno.test("without --allow-read a file of TLS names the flag, as the password's does", async () => {
  await using server = await RedisServer.start();
  const caFile = `${server.dir}/ca.pem`;
  const tls = { enabled: true, caFile };
  assertNamed(
    await without(["read"], { port: server.port, tls }),
    `--allow-read=${caFile}`,
  );
  const passwordFile = `${server.dir}/password`;
  const { text } = await runChild(
    "_permission_child.ts",
    [JSON.stringify({ passwordFile })],
    { permissions: ["-A", "--deny-read"] },
  );
  assertStringIncludes(text, "ConfigError: ");
  assertStringIncludes(text, `run with --allow-read=${passwordFile}`);
});

Deno.test("what needs no permission goes on without it, and keepalive says what it got", async () => {
  await using server = await RedisServer.start();
  const options: ManagerOptions = { host: "127.0.0.1", port: server.port };
  const tier = nodeNetSetsKeepalive(Deno.version.deno) ? "idle" : "heartbeat";
  // The last one is the least that works.
  for (const denied of [["ffi"], ["read", "write", "sys", "run", "ffi"]]) {
    assertEquals(await without(denied, options), `PONG ${tier} null`);
  }
  const least = await runChild("_permission_child.ts", [JSON.stringify(options)], {
    permissions: ["--allow-env", `--allow-net=127.0.0.1:${server.port}`],
  });
  assertEquals(least.text.trim(), `PONG ${tier} null`);
  const isLinux = Deno.build.os === "linux";
  if (isLinux) assertMatch(await without(["read"], options), /^PONG full \{.*"count":5/);
  await assertNoConnectionsLeft(server, "mooring:");
});

Deno.test("a list of variables is enough, or none: ioredis reads no more than is granted", async () => {
  await using server = await RedisServer.start();
  // Patient, as the machine may be busy.
  const patience = { commandTimeoutMs: 60_000, connectTimeoutMs: 60_000 };
  const options = JSON.stringify({ ...patience, port: server.port });
  const run = (
    permissions: string[],
    env: Record<string, string> = {},
    ...seen: string[]
  ) => runChild("_permission_child.ts", [options, ...seen], { permissions, env });
  const net = `--allow-net=localhost:${server.port}`;
  for (
    const permissions of [
      ...[[net], [net, "--allow-env=REDIS_URL"], ["-A", "--deny-env"]],
      ...[["-A", "--deny-env=HOME"], ["-A", "--ignore-env=HOME"]],
    ]
  ) {
    const { code, text } = await run(permissions, { DEBUG_DEPTH: "x" });
    assertEquals([code, text.split(" ")[0]], [0, "PONG"], `${permissions}: ${text}`);
  }
  // The environment is what it was, and its permissions too.
  const env = { DEBUG: "ioredis:*", REDIS_URL: "seen" };
  const { text } = await run([net, "--allow-env=REDIS_URL,DEBUG"], env, "REDIS_URL");
  assertStringIncludes(text, "environment: seen, NotCapable\nPONG ");
  // DEBUG works as ever where it may be read.
  assertMatch(text, /^\S+Z ioredis:\w+ /m);
  assertMatch((await run(["-A"], env, "REDIS_URL")).text, /^\S+Z ioredis:\w+ /m);
  const unseen = await run([net, "--allow-env=REDIS_URL"], env, "REDIS_URL");
  assertEquals(unseen.text.includes("ioredis:"), false, unseen.text);
  await report({
    row: 35,
    fault: "permissions denied",
    outcome:
      "net, read, write: the flag is named in a sentence; without env and ffi it works",
  });
});
