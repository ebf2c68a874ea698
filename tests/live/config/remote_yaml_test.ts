import { assert, assertEquals, assertRejects } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { ConfigError } from "../../../src/core/errors/base.ts";
import { freePort } from "../../../src/testing/ports.ts";

Deno.test("load() fetches a file from an http URL", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/redis.yaml") return new Response("databases: {far: {db: 3}}");
      if (pathname === "/huge.yaml") return new Response("#".repeat(3_000_000));
      if (pathname === "/denied.yaml") return new Response("hunter2", { status: 403 });
      return new Response("", { status: 404 });
    },
  );
  const base = `http://127.0.0.1:${server.addr.port}`;
  const yamlPath = new URL(`${base}/redis.yaml?token=hunter2`);
  for (const path of [yamlPath, yamlPath.href]) {
    const config = await RedisConfigLoader.load({ yamlPath: path, env: {} });
    assertEquals(config.origin("databases.far.db"), `${base}/redis.yaml:1`);
  }
  const reasons: Record<string, string> = {
    "/none.yaml": "the file does not exist",
    "/huge.yaml": "it is larger than allowed: at most 1048576 bytes",
    "/denied.yaml": "the answer has status 403",
  };
  for (const [path, reason] of Object.entries(reasons)) {
    const error = await assertRejects(
      () => RedisConfigLoader.load({ yamlPath: new URL(path, base), env: {} }),
      ConfigError,
    );
    assertEquals(error.origin, `${base}${path}`);
    assertEquals(error.problems[0]!.message, `cannot read the configuration: ${reason}`);
  }
});

Deno.test("load() refuses a URL that nothing answers, and loadSync() any", async () => {
  const yamlPath = new URL(`http://127.0.0.1:${freePort()}/redis.yaml`);
  const error = await assertRejects(
    () => RedisConfigLoader.load({ yamlPath, env: {} }),
    ConfigError,
  );
  assert(error.message.endsWith("no connection to its server"), error.message);
  try {
    RedisConfigLoader.loadSync({ yamlPath, env: {} });
    throw new Error("loadSync() did not refuse");
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    assert(error.message.endsWith("it has to be fetched; use RedisConfigLoader.load()"));
  }
});
