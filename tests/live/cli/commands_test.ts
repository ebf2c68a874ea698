import { assertEquals, assertStringIncludes } from "@std/assert";
import { withManager } from "../../support/managed.ts";
import { runCli, startCli } from "./_run.ts";

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

    const child = await startCli(["stats", "--url", url, "--watch", "-i", "0.1"]);
    const reader = child.stdout.getReader();
    const first = await reader.read();
    assertStringIncludes(new TextDecoder().decode(first.value), "main");
    child.kill("SIGINT");
    while (!(await reader.read()).done);
    await child.stderr.cancel();
    assertEquals((await child.status).code, 0);
  });
});
