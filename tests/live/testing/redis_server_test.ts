import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { relative } from "node:path";
import { isPortFree } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespClient } from "../../../src/testing/resp_client.ts";
import { RespError } from "../../../src/testing/resp_parser.ts";
import { waitFor } from "../../../src/testing/wait.ts";

async function isAlive(pid: number): Promise<boolean> {
  const { success } = await new Deno.Command("kill", {
    args: ["-0", String(pid)],
    stderr: "null",
  }).output();
  return success;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("RedisServer.start() gives a server that answers on its port", async () => {
  await using server = await RedisServer.start();
  using client = await RespClient.connect({ hostname: server.host, port: server.port });
  assertEquals(await client.send("SET", "k", "v"), "OK");
  assertEquals(await server.cli("GET", "k"), "v");
  assertEquals(server.url, `redis://127.0.0.1:${server.port}`);
  assertEquals((await server.info("server")).process_id, String(server.pid));
});

Deno.test("RedisServer is gone with its folder after disposal, also when the test threw", async () => {
  let pid = 0;
  let dir = "";
  let port = 0;
  await assertRejects(async () => {
    await using server = await RedisServer.start();
    ({ pid, dir, port } = server);
    throw new Error("the test failed");
  }, "the test failed");
  assert(!await isAlive(pid));
  assert(!await exists(dir));
  assert(isPortFree(port));
});

Deno.test("RedisServer.cli() gives every kind of reply, errors as values", async () => {
  await using server = await RedisServer.start();
  assertEquals(await server.cli("INCR", "n"), 1);
  assertEquals(await server.cli("GET", "none"), null);
  assertEquals(await server.cli("RPUSH", "list", "a", "", "c"), 3);
  assertEquals(await server.cli("LRANGE", "list", 0, -1), ["a", "", "c"]);
  const error = await server.cli("INCR", "list");
  assert(error instanceof RespError);
  assertEquals(error.code, "WRONGTYPE");
  const nested = await server.cli("EVAL", "return {1,{'x',{2}},{}}", 0);
  assertEquals(nested, [1, ["x", [2]], []]);
  const large = "é".repeat(3_000_000);
  await server.cli("SET", "large", large);
  assertEquals(await server.cli("GET", "large"), large);
  const replies = await server.pipeline(
    Array.from({ length: 1000 }, (_, i) => ["ECHO", i]),
  );
  assertEquals(replies, Array.from({ length: 1000 }, (_, i) => String(i)));
});

Deno.test("RedisServer.start() applies config, args and password", async () => {
  await using server = await RedisServer.start({
    config: { "maxmemory": "64mb", "client-output-buffer-limit": ["pubsub 1mb 1mb 9"] },
    args: ["--maxmemory-policy", "allkeys-lru"],
    password: `p"\\w d`,
  });
  assertEquals(await server.cli("CONFIG", "GET", "maxmemory"), ["maxmemory", "67108864"]);
  assertEquals(await server.cli("CONFIG", "GET", "maxmemory-policy"), [
    "maxmemory-policy",
    "allkeys-lru",
  ]);
  const target = { hostname: server.host, port: server.port };
  using nobody = await RespClient.connect(target);
  assertEquals(((await nobody.send("PING")) as RespError).code, "NOAUTH");
  using client = await RespClient.connect(target, { password: `p"\\w d` });
  assertEquals(await client.send("PING"), "PONG");
  await assertRejects(
    () => RespClient.connect(target, { password: "wrong" }),
    Error,
    "WRONGPASS",
  );
  assertEquals(server.url, `redis://:p%22%5Cw%20d@127.0.0.1:${server.port}`);
});

Deno.test("RedisServer.cli() goes on answering when the password is changed", async () => {
  await using server = await RedisServer.start({ password: "old" });
  await server.cli("CONFIG", "SET", "requirepass", "new");
  await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no");
  await waitFor(() => server.cli("PING").then((reply) => reply === "PONG"));
});

Deno.test("RedisServer.cli() answers when maxclients is reached by others", async () => {
  await using server = await RedisServer.start({ config: { maxclients: "2" } });
  const target = { hostname: server.host, port: server.port };
  using client = await RespClient.connect(target, { name: "app:1" });
  await assertRejects(() => RespClient.connect(target, { name: "app:2" }));
  assertEquals((await server.clientList("app:")).map(({ name }) => name), ["app:1"]);
  assertEquals(await client.send("PING"), "PONG");
});

Deno.test("RedisServer.clientList() lists the others by name, not the judge", async () => {
  await using server = await RedisServer.start();
  const target = { hostname: server.host, port: server.port };
  using _a = await RespClient.connect(target, { name: "app:a" });
  using b = await RespClient.connect(target, { name: "other" });
  await b.send("SELECT", 3);
  assertEquals((await server.clientList()).length, 2);
  assertEquals((await server.clientList("app:")).length, 1);
  const [row] = await server.clientList("other");
  assertEquals([row.name, row.db, row.cmd], ["other", 3, "select"]);
  assertStringIncludes(row.addr, "127.0.0.1:");
});

Deno.test("RedisServer.kill() loses what was not saved, restart() keeps port and folder", async () => {
  await using server = await RedisServer.start({ persistence: "rdb" });
  const { port, dir, pid } = server;
  await server.cli("SET", "k", 1);
  await server.kill();
  assert(!server.running && !await isAlive(pid));
  await assertRejects(() => Deno.connect({ port, hostname: "127.0.0.1" }));
  await assertRejects(() => server.cli("PING"));
  await server.restart();
  assertEquals([server.port, server.dir], [port, dir]);
  assert(server.pid !== pid);
  assertEquals(await server.cli("GET", "k"), null);
});

Deno.test("RedisServer.stop() saves with rdb, and aof survives kill()", async () => {
  await using rdb = await RedisServer.start({ persistence: "rdb" });
  await rdb.cli("SET", "k", "kept");
  await rdb.stop();
  await rdb.restart({ config: { maxclients: "77" } });
  assertEquals(await rdb.cli("GET", "k"), "kept");
  assertEquals(await rdb.cli("CONFIG", "GET", "maxclients"), ["maxclients", "77"]);
  await using aof = await RedisServer.start({ persistence: "aof" });
  await aof.cli("SET", "k", "kept");
  await aof.kill();
  await aof.restart();
  assertEquals(await aof.cli("GET", "k"), "kept");
});

Deno.test("RedisServer.pause() freezes, resume() thaws, and a paused server can be stopped", async () => {
  await using server = await RedisServer.start();
  using client = await RespClient.connect(
    { hostname: server.host, port: server.port },
    { timeoutMs: 200 },
  );
  server.pause();
  // No name and no password: nothing was asked before this.
  await assertRejects(() => client.send("INCR", "n"), Error, "longer than 200 ms");
  server.resume();
  await waitFor(async () => await server.cli("GET", "n") === "1");
  server.pause();
  await server.stop();
  assert(!server.running);
});

Deno.test("RedisServer.restart() returns while the server is LOADING", async () => {
  await using server = await RedisServer.start({ persistence: "rdb" });
  await server.pipeline(
    Array.from({ length: 2000 }, (_, i) => ["SET", `k${i}`, "x".repeat(200)]),
  );
  // 20 s, if the test did not end it.
  await server.restart({
    config: {
      "key-load-delay": "10000",
      "loading-process-events-interval-bytes": "1024",
    },
  });
  const reply = await server.cli("GET", "k1");
  assert(reply instanceof RespError);
  assertEquals(reply.code, "LOADING");
  await server.cli("CONFIG", "SET", "key-load-delay", "0");
  await waitFor(async () => await server.cli("DBSIZE") === 2000);
});

Deno.test("RedisServer.restart() returns while a LOADING server is too busy to answer", async () => {
  await using server = await RedisServer.start({ persistence: "rdb" });
  await server.pipeline(Array.from({ length: 2000 }, (_, i) => ["SET", `k${i}`, "x"]));
  const loadings = async () => (await server.log()).split("DB loaded from disk").length;
  const before = await loadings();
  // 10 s, without a word to anybody.
  await server.restart({ config: { "key-load-delay": "5000" } });
  assertEquals(await loadings(), before, "it waited for the whole load");
  (await Deno.connect({ hostname: server.host, port: server.port })).close();
});

Deno.test("RedisServer.start() says with the server's own words why it does not start", async () => {
  const error = await assertRejects(
    () => RedisServer.start({ config: { "no-such-directive": "1" } }),
    Error,
  );
  assertStringIncludes(error.message, "no-such-directive");
});

Deno.test("RedisServer.start() refuses a taken port that the caller named", async () => {
  await using first = await RedisServer.start();
  await assertRejects(
    () => RedisServer.start({ port: first.port }),
    Error,
    "Address already in use",
  );
});

Deno.test("RedisServer keeps a folder that the caller named", async () => {
  const dir = await Deno.makeTempDir();
  try {
    {
      await using server = await RedisServer.start({ dir, persistence: "rdb" });
      await server.cli("SET", "k", 1);
      await server.stop();
    }
    assert(await exists(`${dir}/dump.rdb`));
    const named = relative(Deno.cwd(), dir);
    await using server = await RedisServer.start({ dir: named, persistence: "rdb" });
    assertEquals(await server.cli("GET", "k"), "1");
    assertStringIncludes(await server.log(), "Ready to accept connections");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** Runs a script that can use `RedisServer` in a process of its own. */
async function runScript(script: string): Promise<Deno.ChildProcess> {
  const module = new URL("../../../src/testing/redis_server.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", "--ext=ts", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    detached: true, // a process group of its own, which a test may kill
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(
    `import { RedisServer } from ${JSON.stringify(module)};\n${script}`,
  ));
  await writer.close();
  return child;
}

async function assertOrphanEnds(
  kill: (child: Deno.ChildProcess) => void,
): Promise<void> {
  await using child = await runScript(`
    const server = await RedisServer.start();
    server.pause();
    console.log(JSON.stringify({ pid: server.pid, dir: server.dir }));
    setInterval(() => {}, 1000);
  `);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) text += (await reader.read()).value ?? "";
  const { pid, dir } = JSON.parse(text);
  assert(await isAlive(pid));
  kill(child);
  await child.status;
  await reader.cancel();
  await waitFor(async () => !await isAlive(pid), { what: "the end of the orphan" });
  await waitFor(async () => !await exists(dir), { what: "the end of its folder" });
}

Deno.test("RedisServer ends, and its folder goes, when the process that started it is killed", async () => {
  await assertOrphanEnds((child) => child.kill("SIGKILL"));
});

Deno.test("RedisServer's folder goes when its whole process group is killed", async () => {
  await assertOrphanEnds((child) => Deno.kill(-child.pid, "SIGKILL"));
});

for (const exit of ["", "Deno.exit(0);", "setTimeout(() => Deno.exit(0));"]) {
  Deno.test(`RedisServer ends with the process that started it and exits "${exit}"`, async () => {
    const child = await runScript(`
      const { pid, dir } = await RedisServer.start();
      console.log(JSON.stringify({ pid, dir }));
      ${exit}
    `);
    const { success, stdout } = await child.output();
    assert(success);
    const { pid, dir } = JSON.parse(new TextDecoder().decode(stdout));
    await waitFor(async () => !await isAlive(pid), { what: "the end of the orphan" });
    await waitFor(async () => !await exists(dir), { what: "the end of its folder" });
  });
}

Deno.test("RedisServer.cli() works again after it failed, for many callers at once", async () => {
  await using server = await RedisServer.start({ replyTimeoutMs: 500 });
  server.pause();
  await assertRejects(() => server.cli("PING"), Deno.errors.TimedOut, "500 ms");
  server.resume();
  const replies = await Promise.all(Array.from({ length: 20 }, () => server.cli("PING")));
  assertEquals(replies, Array(20).fill("PONG"));
  // Each has but one connection: the judge's.
  assertEquals((await server.info("clients")).connected_clients, "1");
});
