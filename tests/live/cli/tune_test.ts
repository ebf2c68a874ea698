import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { CliExit } from "../../../src/cli/terminal.ts";
import { makeTuneCommand } from "../../../src/cli/tune/command.ts";
import type { TuneReport } from "../../../src/cli/tune/report_types.ts";
import type { TuneExtras } from "../../../src/cli/tune/run.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { configArgs } from "../../support/child_config.ts";
import { ensureRedisServer } from "../../support/redis_binary.ts";
import { runCli } from "./_run.ts";

/** The shortest sweep: rounds of 10 ms. */
const TINY = ["--quick", "--duration", "0.1"];

/** Runs the command in this process. */
async function tune(args: readonly string[], extras: TuneExtras = {}) {
  let [out, err, code] = ["", "", 0];
  const command = makeTuneCommand({
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    isTerminal: false,
    isErrTerminal: false,
    useColor: false,
    columns: 80,
    env: () => undefined,
  }, extras);
  try {
    await command.exitOverride().parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CliExit)) throw error;
    code = error.exitCode;
    err += error.message;
  }
  return { code, out, err };
}

/** Where files of one test go. */
async function withDir(fn: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await fn(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function isListening(url: string): Promise<boolean> {
  try {
    const { hostname, port } = new URL(url);
    (await Deno.connect({ hostname, port: Number(port) })).close();
    return true;
  } catch {
    return false;
  }
}

Deno.test("tune measures every sweep on a server of its own, and ends it", () =>
  withDir(async (dir) => {
    await ensureRedisServer();
    const { code, err, out } = await tune([...TINY, "--json", `${dir}/a.json`]);
    assertEquals(code, 0, err);
    const report: TuneReport = JSON.parse(await Deno.readTextFile(`${dir}/a.json`));
    const sweeps = new Set(report.points.map(({ sweep }) => sweep));
    assertEquals([...sweeps], ["lanes", "leases", "values", "mixes", "rate"]);
    const bytesOf = (subject: string, mix: string) => {
      const { bytesPerSecond, perSecond } = report.points.find((point) =>
        point.sweep === "mixes" && point.subject === subject && point.mix === mix
      )!;
      return bytesPerSecond.out / perSecond.median;
    };
    // What a near cache answers no server sends.
    assertLess(bytesOf("near cache", "get-heavy"), bytesOf("mooring", "get-heavy") * 0.7);
    assertMatch(out, /near cache, get-heavy: /);
    assertMatch(out, /near cache, write-heavy: /);
    for (const point of report.points) {
      assertEquals([point.errors, point.rounds], [0, 5], JSON.stringify(point));
      assertGreater(point.perSecond.median, 0);
      assertGreater(point.latencyMs.max.high, 0);
      assertGreater(point.bytesPerSecond.in, 0);
      assertGreater(point.connections, 0);
    }
    const pools = report.points.filter(({ sweep }) => sweep === "leases");
    for (const { connections, leases, waitMs } of pools) {
      // Rounds of 10 ms are too short to open 64; a lane is beside those that are leased.
      assert(connections >= 2 && connections <= leases + 1, `${connections}`);
      assert(waitMs !== undefined);
    }
    const keys = report.advice.map(({ key }) => key);
    assertEquals(keys, [
      "max_lanes",
      "max_connections",
      "acquire_timeout",
      "socket_timeout",
    ]);
    assertStringIncludes(out, "knee of 1 lane");
    assertEquals(report.server.isThrowAway, true);
    assertEquals(await isListening(`redis://${report.server.endpoint}`), false);
  }));

Deno.test("tune leaves an empty server empty, without clients and without --yes", async () => {
  await ensureRedisServer();
  await using server = await RedisServer.start();
  // The kit's own connection would be another client.
  await server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no").catch(() => {});
  const { code, err } = await tune(["--url", server.url, ...TINY, "--only", "leases"]);
  assertEquals(code, 0, err);
  // The guard of a second run sees whatever the first one has left.
  const again = await tune(["--url", server.url, ...TINY, "--only", "mixes"]);
  assertEquals(again.code, 0, again.err);
});

Deno.test("tune refuses a server with keys or clients, and says what it saw", async () => {
  await using server = await RedisServer.start();
  await server.cli("SET", "precious", "1");
  const args = ["--url", server.url, ...TINY, "--only", "leases"];
  const refused = await tune(args);
  assertEquals(refused.code, 2);
  // The judge of the tests is the other client.
  assertStringIncludes(refused.err, "1 key, 1 other client");
  assertStringIncludes(refused.err, "--yes");
  const allowed = await tune([...args, "--yes"]);
  assertEquals(allowed.code, 0, allowed.err);
  assertEquals(await server.cli("KEYS", "*"), ["precious"]);
});

Deno.test("tune refuses a primary with a replica, and the replica", async () => {
  await using primary = await RedisServer.start();
  await using replica = await RedisServer.start({
    config: { replicaof: `127.0.0.1 ${primary.port}` },
  });
  await waitFor(
    async () => (await primary.info("replication")).connected_slaves === "1",
    { timeoutMs: 60_000, what: "the replica" },
  );
  const args = (url: string) => ["--url", url, ...TINY, "--only", "leases"];
  const onPrimary = await tune(args(primary.url));
  assertEquals(onPrimary.code, 2);
  assertStringIncludes(onPrimary.err, "1 replica");
  const onReplica = await tune(args(replica.url));
  assertEquals(onReplica.code, 2);
  assertStringIncludes(onReplica.err, "it is a replica itself");
});

Deno.test("tune refuses a node of a cluster", async () => {
  await using server = await RedisServer.start({ config: { "cluster-enabled": "yes" } });
  const { code, err } = await tune(["--url", server.url, ...TINY]);
  assertEquals(code, 2);
  assertStringIncludes(err, "cluster");
});

Deno.test("tune says that a server cannot be reached, without its password", async () => {
  const { code, err } = await tune(["--url", "redis://:s3cret@127.0.0.1:1", ...TINY]);
  assertEquals(code, 2);
  assertStringIncludes(err, "127.0.0.1:1");
  assertEquals(err.includes("s3cret"), false);
});

Deno.test("tune removes its keys when a load fails", async () => {
  await ensureRedisServer();
  await using server = await RedisServer.start();
  const broken = {
    subject: "ioredis",
    version: "0",
    mixes: ["get-heavy"],
    open: () => Promise.reject(new Error("it broke")),
  } as const;
  const args = ["--url", server.url, "--yes", ...TINY, "--only", "lanes"];
  await assertRejects(() => tune(args, { rivals: [broken] }), Error, "it broke");
  assertEquals(await server.cli("DBSIZE"), 0);
  await waitFor(async () => (await server.clientList("mooring:tune")).length === 0);
});

Deno.test("tune ends on SIGINT with 130, and has removed its keys", async () => {
  await using server = await RedisServer.start();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", ...configArgs()],
      new URL("tune_child.ts", import.meta.url).pathname,
      ...["--url", server.url, "--yes", "--quick", "--duration", "120"],
    ],
    env: { NO_COLOR: "1" },
    ...{ stdin: "null", stdout: "null", stderr: "piped" } as const,
  }).spawn();
  let said = "";
  const reading = (async () => {
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
      said += chunk;
    }
  })();
  await waitFor(() => said.includes("s left"), { timeoutMs: 60_000 });
  assertGreater(Number(await server.cli("DBSIZE")), 0);
  child.kill("SIGINT");
  await reading;
  assertEquals((await child.status).code, 130, said);
  assertStringIncludes(said, "the keys of the run are removed");
  assertEquals(await server.cli("DBSIZE"), 0);
  assertEquals(await server.clientList(), []);
});

Deno.test("tune says which file it cannot write, and shows what it measured all the same", async () => {
  const file = "/no/such/folder/report.json";
  const { code, err, out } = await tune([...TINY, "--only", "values", "--json", file]);
  assertEquals(code, 2);
  assertStringIncludes(err, file);
  assertStringIncludes(out, "callers");
});

Deno.test("tune asks for the permission to write before it measures", async () => {
  const files = ["--json", "/tmp/report.json", "--report", "/tmp/report.html"];
  const { code, err } = await runCli(
    ["tune", "--url", "redis://127.0.0.1:1", ...files],
    ["--allow-env", "--allow-net"],
  );
  assertEquals(code, 2);
  assertStringIncludes(
    err,
    "--allow-write=/tmp/report.json --allow-write=/tmp/report.html (or -A)",
  );
});

Deno.test("tune --write puts what it recommends into the file, comments kept", () =>
  withDir(async (dir) => {
    await using server = await RedisServer.start();
    const file = `${dir}/redis.yaml`;
    const text = `# mine\nhost: 127.0.0.1\nport: ${server.port}\ndatabases:\n` +
      "  cache:\n    db: 3 # fast\n    socket_timeout: 0.1\n";
    await Deno.writeTextFile(file, text);
    const { code, err, out } = await tune([
      ...["--config", file, "--database", "cache", "--yes", "--write"],
      ...[...TINY, "--only", "values"],
    ]);
    assertEquals(code, 0, err);
    assertStringIncludes(out, "databases:\n  cache:\n    socket_timeout:");
    const after = await Deno.readTextFile(file);
    // The least that is recommended is five times that, on any machine.
    const written = /socket_timeout: ([\d.]+)/.exec(after)?.[1];
    assert(Number(written) >= 0.5, after);
    assertEquals(after, text.replace("timeout: 0.1\n", `timeout: ${written}\n`));
  }));

Deno.test("tune --compare ends with 1 when a figure is worse by more than the noise", () =>
  withDir(async (dir) => {
    await using server = await RedisServer.start();
    const [old, page] = [`${dir}/old.json`, `${dir}/page.html`];
    const args = ["--url", server.url, "--yes", ...TINY, "--only", "mixes"];
    const first = await tune([...args, "--json", old, "--report", page]);
    assertEquals(first.code, 0, first.err);
    const report: TuneReport = JSON.parse(await Deno.readTextFile(old));
    const html = await Deno.readTextFile(page);
    const embedded = /id="report-data"[^>]*>([^<]*)</.exec(html)?.[1];
    assertEquals(JSON.parse(embedded ?? "null"), report);
    const scaled = (factor: number): TuneReport => ({
      ...report,
      points: report.points.map((point) => ({
        ...point,
        // A p99 of rounds of 10 ms says nothing.
        latencyMs: { ...point.latencyMs, p99: { median: 1e6, low: 1e6, high: 1e6 } },
        perSecond: {
          median: factor * point.perSecond.median,
          low: factor * point.perSecond.median,
          high: factor * point.perSecond.median,
        },
      })),
    });
    for (const [factor, code] of [[1000, 1], [0.001, 0]] as const) {
      await Deno.writeTextFile(old, JSON.stringify(scaled(factor)));
      const compared = await tune([...args, "--compare", old]);
      assertEquals(compared.code, code, compared.out);
      assertStringIncludes(compared.out, "6 combinations compared");
    }
  }));

Deno.test("tune refuses options that do not go together, and files that are no report", async () => {
  const cases = [
    [["--config", "a.yaml", "--url", "redis://h"], 64],
    [["--database", "main"], 64],
    [["--write"], 64],
    [["--compare", "deno.json"], 2],
    [["--config", "config/redis-databases.yaml", "--database", "nope"], 2],
  ] as const;
  for (const [args, code] of cases) {
    const result = await tune(args);
    assertEquals(result.code, code, args.join(" "));
    assert(result.err.length > 0);
  }
});
