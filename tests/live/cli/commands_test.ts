import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { hasScript, onTerminal, runCli, startCli } from "./_run.ts";

Deno.test("config: what init writes passes check, and is replaced by --force only", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const file = `${dir}/redis.yaml`;
    assertEquals((await runCli(["config", "init", file])).code, 0);
    assertEquals((await runCli(["config", "check", "--config", file])).code, 0);
    const again = await runCli(["config", "init", file]);
    assertEquals(again.code, 2);
    assertStringIncludes(again.err, "--force");
    await Deno.writeTextFile(file, "port: abc\nmax_conections: 1\n");
    const bad = await runCli(["config", "check", "--config", file]);
    assertEquals(bad.code, 2);
    assertStringIncludes(bad.err, "redis.yaml:1");
    assertStringIncludes(bad.err, "max_connections");
    assertEquals((await runCli(["config", "init", "--force", file])).code, 0);
    assertEquals((await runCli(["config", "check", "--config", file])).code, 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a mistyped command is corrected, exit code 64; help works without permissions", async () => {
  const typo = await runCli(["docter"], []);
  assertEquals(typo.code, 64);
  assertStringIncludes(typo.err, "doctor");
  const help = await runCli(["--help"], []);
  assertEquals([help.code, help.err], [0, ""]);
  for (const name of ["doctor", "stats", "config", "completions"]) {
    assertStringIncludes(help.out, name);
  }
});

Deno.test("stats --url shows a live manager's numbers; --watch ends with SIGINT", async () => {
  await withManager({ databases: { main: { db: 0 } } }, async ({ manager }) => {
    const client = manager.getClient("main");
    await client.set("k", "v");
    await client.get("k");
    await client.get("none");
    await using http = Deno.serve(
      { port: 0, onListen: () => {} },
      (request) => manager.healthResponse(request),
    );
    const url = `http://127.0.0.1:${http.addr.port}/metrics`;
    const { code, out, err } = await runCli(["stats", "--url", url, "--json"]);
    assertEquals(code, 0, err);
    const [row] = JSON.parse(out).databases;
    assertEquals([row.database, row.commands, row.hitRate], ["main", 3, 50]);
    assertEquals([row.connections, row.successRate], [1, 100]);
    assertStringIncludes((await runCli(["stats", "--url", url])).out, `\nFrom: ${url}\n`);

    const child = startCli(["stats", "--url", url, "--watch", "-i", "0.1"]);
    const reader = child.stdout.getReader();
    const first = await reader.read();
    assertStringIncludes(new TextDecoder().decode(first.value), "main");
    child.kill("SIGINT");
    while (!(await reader.read()).done);
    await child.stderr.cancel();
    assertEquals((await child.status).code, 0);
  });
});

Deno.test("stats --config opens every database, asks it, and shows its row", async () => {
  await using server = await RedisServer.start();
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    const closed = freePort();
    await Deno.writeTextFile(
      file,
      `host: 127.0.0.1\nport: ${server.port}\nconnect_retry: { attempts: 1 }\ndatabases:\n` +
        `  main: { db: 0, max_connections: 7 }\n  cache: { db: 5, port: ${closed} }\n`,
    );
    const args = ["stats", "--config", file];
    const { code, out, err } = await runCli([...args, "--json"]);
    assertEquals(code, 1, err);
    const [main, cache, ...more] = JSON.parse(out).databases;
    assertEquals(more, []);
    assertEquals(
      [main.database, main.db, main.state, main.connections, main.maxConnections],
      ["main", 0, "healthy", 1, 7],
    );
    assertEquals([cache.database, cache.db, cache.state], ["cache", 5, "failed"]);
    const reason = `127.0.0.1:${closed}: connection refused`;
    assertEquals([cache.reason, cache.successRate], [reason, null]);
    // Gone again, and nothing written.
    await assertNoConnectionsLeft(server, "mooring:");
    assertEquals(await server.cli("DBSIZE"), 0);

    const table = await runCli(args);
    assertMatch(table.out, /^database +db +state/);
    assertMatch(table.out, /\nmain +0 +healthy/);
    assertMatch(table.out, /\ncache +5 +failed/);
    assertStringIncludes(table.out, `\nfailed cache: ${reason}\nFrom: ${file}\n`);
    assertEquals([table.code, table.out.includes("100")], [1, false]);

    const flags = ["--allow-env", "--allow-read"];
    const denied = await runCli(args, flags);
    assertEquals(denied.code, 2);
    assertStringIncludes(denied.err, `--allow-net=127.0.0.1:${server.port}`);
    assertStringIncludes(denied.err, `--allow-net=127.0.0.1:${closed}`);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("stats --config shows servers that hang or are gone as failed, and soon", async () => {
  await using server = await RedisServer.start();
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    // By its own policy the file's manager would go on for minutes.
    await Deno.writeTextFile(
      file,
      "host: 127.0.0.1\nconnect_retry: { attempts: 50, min: 30 }\ndatabases:\n" +
        `  hung: { port: ${server.port} }\n  gone: { port: ${freePort()} }\n` +
        `  led: { mode: sentinel, sentinel_name: m, nodes: ["127.0.0.1:${freePort()}"] }\n`,
    );
    server.pause();
    const startedAt = performance.now();
    const { code, out, err } = await runCli(["stats", "--config", file, "--json"]);
    server.resume();
    assertEquals(code, 1, err);
    assertEquals(
      JSON.parse(out).databases.map(({ state }: { state: string }) => state),
      ["failed", "failed", "failed"],
    );
    const tookMs = performance.now() - startedAt;
    assert(tookMs < 30_000, `${tookMs} ms`);
    // The permission that is asked for is that of the sentinels, too.
    const denied = await runCli(["stats", "--config", file], [
      "--allow-env",
      "--allow-read",
    ]);
    assertEquals(denied.err.match(/--allow-net=127\.0\.0\.1:\d+/g)?.length, 3);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("stats --config waits as long as the configuration says", async () => {
  await using server = await RedisServer.start();
  await using silent = await FaultProxy.start({ to: server, welcome: "hold" });
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(
      file,
      `host: 127.0.0.1\nport: ${silent.port}\nsocket_connect_timeout: 0.3\n` +
        "socket_timeout: 180\ndatabases:\n  main: { db: 0 }\n",
    );
    const startedAt = performance.now();
    const { code, out } = await runCli(["stats", "--config", file]);
    assertEquals(code, 1, out);
    assertMatch(out, /failed main: .*no answer within 300 ms/);
    // The longest wait, of 180 s, does not keep the process alive.
    const tookMs = performance.now() - startedAt;
    assert(tookMs < 60_000, `${tookMs} ms`);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("stats --url says what is wrong with the address, without its password", async () => {
  const url = `http://me:s3cretpw@127.0.0.1:${freePort()}/metrics?token=s3cretpw`;
  const { code, out, err } = await runCli(["stats", "--url", url]);
  assertEquals([code, out], [2, ""]);
  assertMatch(err, /^Cannot read http:\/\/127\.0\.0\.1:\d+\/metrics: no answer/);
  await using http = Deno.serve({ port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    return new Response("up 1\n", { status: pathname === "/metrics" ? 200 : 404 });
  });
  const base = `http://127.0.0.1:${http.addr.port}`;
  const missing = await runCli(["stats", "--url", `${base}/nothing`]);
  assertEquals(missing.code, 2);
  assertStringIncludes(missing.err, "the server answered 404");
  const strange = await runCli(["stats", "--url", `${base}/metrics`]);
  assertEquals(strange.code, 2);
  assertStringIncludes(strange.err, "no metrics of @mooring/redis");
});

/** Answers every request over HTTP with the same bytes, and ends the connection. */
async function answerRaw(listener: Deno.Listener, answer: string): Promise<void> {
  for await (const conn of listener) {
    await conn.read(new Uint8Array(4096));
    await conn.write(new TextEncoder().encode(answer));
    conn.close();
  }
}

Deno.test("stats --url says so when the answer breaks off", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void answerRaw(listener, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nup 1\n");
  const { port } = listener.addr as Deno.NetAddr;
  const { code, err } = await runCli(["stats", "--url", `http://127.0.0.1:${port}/m`]);
  assertEquals(code, 2);
  assertEquals(err, `Cannot read http://127.0.0.1:${port}/m: incomplete answer\n`);
});

Deno.test("stats --watch ends with SIGINT, also while nobody answers it", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const child = startCli([
    "stats",
    ...["--url", `http://127.0.0.1:${port}/metrics`, "--watch"],
  ]);
  using conn = await listener.accept();
  await conn.read(new Uint8Array(4096));
  child.kill("SIGINT");
  const { code, stderr } = await child.output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});

Deno.test("stats names the permissions for the nodes of a cluster, and for sentinels", async () => {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    for (const mode of ["cluster", "sentinel"]) {
      const name = mode === "sentinel" ? "sentinel_name: mymaster\n" : "";
      await Deno.writeTextFile(
        file,
        `mode: ${mode}\n${name}nodes: ["127.0.0.1:7001", "127.0.0.1:7002"]\n` +
          "databases:\n  main: {}\n",
      );
      const flags = ["--allow-env", "--allow-read"];
      const { code, err } = await runCli(["stats", "--config", file], flags);
      assertEquals(code, 2);
      assertStringIncludes(
        err,
        "--allow-net=127.0.0.1:7001 --allow-net=127.0.0.1:7002 (or -A)",
      );
      assertEquals(err.includes("6379"), false);
    }
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("config explain names origins and hides secrets; check --json is for programs", async () => {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(
      file,
      "password: s3cretpw\ndatabases:\n  main: { db: 0 }\n  cache: { db: 5 }\n",
    );
    const all = await runCli(["config", "explain", "--config", file]);
    assertEquals(all.code, 0, all.err);
    assertStringIncludes(all.out, "databases.main.db");
    assertStringIncludes(all.out, `${file}:4`);
    assertEquals(all.out.includes("s3cretpw"), false);
    const one = await runCli(["config", "explain", "cache", "--config", file, "--json"]);
    const paths: string[] = JSON.parse(one.out).map(({ path }: { path: string }) => path);
    assertEquals(paths.filter((path) => path.startsWith("databases.main.")), []);
    assertEquals(paths.includes("databases.cache.db"), true);

    const check = await runCli(["config", "check", "--config", file, "--json"]);
    assertEquals(JSON.parse(check.out).databases, ["main", "cache"]);
    const named = await runCli(["config", "check", file]);
    assertEquals([named.code, named.out], [
      0,
      `ok   2 databases can be used (${file})\n`,
    ]);
    const twice = await runCli(["config", "check", file, "--config", file]);
    assertEquals(twice.code, 64);
    const missing = await runCli(["config", "check", `${file}.none`]);
    assertEquals(missing.code, 2);
    assertStringIncludes(missing.err, `${file}.none`);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test({
  name: "colours are for terminals only, and never with NO_COLOR",
  // util-linux' script gives the program a terminal.
  ignore: Deno.build.os !== "linux" || !await hasScript(),
  async fn() {
    const file = await Deno.makeTempFile({ suffix: ".yaml" });
    try {
      await Deno.writeTextFile(file, "databases:\n  main: { db: 0 }\n");
      const args = ["config", "check", "--config", file];
      const ESCAPE = "\x1b[";
      assertStringIncludes(await onTerminal(args, {}), `${ESCAPE}32mok`);
      const plain = await onTerminal(args, { NO_COLOR: "1" });
      assertStringIncludes(plain, "ok   1 database can be used");
      assertEquals(plain.includes(ESCAPE), false);
      const piped = await runCli(args, ["-A"], {});
      assertEquals([piped.code, piped.out.includes(ESCAPE)], [0, false]);
    } finally {
      await Deno.remove(file);
    }
  },
});

Deno.test({
  name: "stats and doctor fit a terminal of 80 columns",
  ignore: Deno.build.os !== "linux" || !await hasScript(),
  async fn() {
    await using server = await RedisServer.start();
    const file = await Deno.makeTempFile({ suffix: ".yaml" });
    try {
      await Deno.writeTextFile(
        file,
        `host: 127.0.0.1\nport: ${server.port}\ndatabases:\n` +
          ["main", "knowledge", "notifications", "workflows", "vectors", "timeseries"]
            .map((name, db) => `  ${name}: { db: ${db}, description: some data }\n`).join(
              "",
            ),
      );
      for (const command of ["stats", "doctor"]) {
        const shown = await onTerminal([command, "--config", file], { NO_COLOR: "1" });
        assertStringIncludes(shown, "main");
        const lines = shown.split(/\r?\n/);
        assertEquals(lines.filter(({ length }) => length > 80), [], command);
      }
    } finally {
      await Deno.remove(file);
    }
  },
});
