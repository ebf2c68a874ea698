import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { freePort } from "../../../src/testing/ports.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { nodeNetSetsKeepalive } from "../../../src/transport/keepalive.ts";
import { makeTlsCases, TlsAuthority } from "../../support/tls.ts";
import { fillSlowly, slowLoader } from "../faults/_loading.ts";
import { type Ran, runCli } from "./_run.ts";

/** A server that the doctor has nothing to object to. */
const HEALTHY = { persistence: "aof" } as const;

/** Status and check of each line, of the report in words or in JSON. */
function linesOf(out: string): { status: string; check: string }[] {
  if (out.startsWith("{")) return JSON.parse(out).findings;
  const lines = out.matchAll(/^ {2}(ok|warn|fail|skip) +([^:]+): /gm);
  return [...lines].map(([, status, check]) => ({ status: status!, check: check! }));
}

/** The exit code but for the line about latency: on a busy machine every PING is slow. */
function codeOf({ code, out, err }: Ran): number {
  const exitCode = (lines: { status: string }[]) => {
    const has = (wanted: string) => lines.some(({ status }) => status === wanted);
    return has("fail") ? 2 : has("warn") ? 1 : 0;
  };
  const lines = linesOf(out);
  assertEquals(code, exitCode(lines), out + err);
  return exitCode(lines.filter(({ check }) => check !== "latency"));
}

Deno.test("doctor: a healthy server is ok in every line, exit code 0", async () => {
  await using server = await RedisServer.start({ ...HEALTHY, password: "s3cretpw" });
  const ran = await runCli(["doctor", "--url", server.url, "--json"]);
  const { out, err } = ran;
  assertEquals(codeOf(ran), 0, out + err);
  const { findings, config } = JSON.parse(out);
  const checks = findings.map(({ check }: { check: string }) => check);
  for (
    const check of [
      ...[
        "resolve",
        "connect",
        "auth",
        "loading",
        "keepalive",
        "latency",
        "server",
        "maxclients",
        "eviction",
        "persistence",
      ],
      ...["replication", "connections", "user", "clock"],
    ]
  ) assertEquals(checks.includes(check), true, check);
  const port = config.find(({ path }: { path: string }) =>
    path === "databases.main.port"
  );
  assertEquals([port.value, port.origin], [server.port, "overrides"]);
  assertEquals(`${out}${err}`.includes("s3cretpw"), false);
});

Deno.test("doctor: a server that forgets is a warning, exit code 1", async () => {
  await using server = await RedisServer.start();
  const ran = await runCli(["doctor", "--url", server.url]);
  const { out } = ran;
  assertEquals(codeOf(ran), 1, out);
  assertStringIncludes(out, "warn persistence: no snapshots, no append-only file");
});

Deno.test("doctor: a closed port fails, exit code 2", async () => {
  const { code, out } = await runCli([
    "doctor",
    "--url",
    `redis://127.0.0.1:${freePort()}`,
  ]);
  assertEquals(code, 2, out);
  assertMatch(out, /fail connect: .*: connection refused/);
});

Deno.test("doctor: a wrong password fails and is not shown", async () => {
  await using server = await RedisServer.start({ password: "r1ght" });
  const url = `redis://:wr0ngpw@127.0.0.1:${server.port}`;
  const { code, out, err } = await runCli(["doctor", "--url", url]);
  assertEquals(code, 2, out);
  assertMatch(out, /fail auth: .*WRONGPASS/);
  assertEquals(`${out}${err}`.includes("wr0ngpw"), false);
});

Deno.test("doctor: a server that loads fails with LOADING", async () => {
  await using server = await RedisServer.start(slowLoader(20_000));
  await fillSlowly(server);
  await server.restart();
  const { code, out } = await runCli(["doctor", "--url", server.url]);
  assertEquals(code, 2, out);
  assertMatch(out, /fail loading: .*LOADING/);
});

Deno.test("doctor: a user who may not run INFO is warned of", async () => {
  const user = "clerk on >clerk ~* &* +@all -info -time";
  await using server = await RedisServer.start({ ...HEALTHY, config: { user } });
  const url = `redis://clerk:clerk@127.0.0.1:${server.port}`;
  const ran = await runCli(["doctor", "--url", url]);
  const { out } = ran;
  assertEquals(codeOf(ran), 1, out);
  assertStringIncludes(out, "warn server: the user may not run INFO");
  assertMatch(out, /warn clock: NOPERM/);
});

Deno.test("doctor: maxclients that are too few for all instances fail", async () => {
  const config = { maxclients: "50" };
  await using server = await RedisServer.start({ ...HEALTHY, config });
  const args = ["doctor", "--url", server.url, "--instances", "3"];
  const { code, out } = await runCli(args);
  assertEquals(code, 2, out);
  assertStringIncludes(out, "fail maxclients: 20 connections × 3 instances = 60");
  assertEquals(codeOf(await runCli(["doctor", "--url", server.url])), 0);
});

Deno.test("doctor: denied permissions name the flag and nobody is asked", async () => {
  const url = "redis://127.0.0.1:6379";
  const net = await runCli(["doctor", "--url", url], ["--allow-env"]);
  assertEquals(net.code, 2, net.out);
  assertStringIncludes(net.out, "--allow-net=127.0.0.1:6379");
  const env = await runCli(["doctor", "--url", url], []);
  assertEquals(env.code, 2);
  assertEquals(env.err.trim().split("\n").length, 1, env.err);
  assertStringIncludes(env.err, "--allow-env");
});

Deno.test("doctor: a server that speaks TLS is named as one, with what to switch on", async () => {
  await using authority = await TlsAuthority.create();
  await using server = await RedisServer.start({ tls: await authority.issue() });
  const url = `redis://127.0.0.1:${server.port}`;
  const { code, out } = await runCli(["doctor", "--url", url]);
  assertEquals(code, 2, out);
  assertMatch(out, /fail connect: .*the server speaks TLS.*\n.*tls\.enabled: true/);
});

Deno.test("doctor: a sentinel finds the primary; a name that it does not know is told", async () => {
  await using redis = await SentinelTopology.start({
    quick: true,
    downAfterMs: 60_000,
  });
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    const nodes = redis.endpoints.map(({ host, port }) => `"${host}:${port}"`);
    for (const [name, code] of [[redis.name, 1], ["mistress", 2]] as const) {
      await Deno.writeTextFile(
        file,
        `mode: sentinel\nsentinel_name: ${name}\nnodes: [${nodes.join(", ")}]\n` +
          "databases:\n  main: { db: 0 }\n",
      );
      const ran = await runCli(["doctor", "--all", "--config", file]);
      assertEquals(codeOf(ran), code, ran.out);
      if (code === 1) {
        const primary = await redis.primary();
        assertStringIncludes(ran.out, `connect: ${primary.host}:${primary.port} in`);
        assertStringIncludes(ran.out, "warn replication: primary with 1 replica,");
      } else assertMatch(ran.out, /fail connect: .*"mistress".*\n.*check sentinel_name/);
    }
    const [{ host, port }] = redis.endpoints as [{ host: string; port: number }];
    const asServer = await runCli(["doctor", "--url", `redis://${host}:${port}`]);
    assertEquals(asServer.code, 2);
    assertMatch(asServer.out, /fail server: .*, sentinel: .*\n.*set mode: sentinel/);
    assertEquals(asServer.out.includes("persistence"), false);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("doctor: a cluster is seen as one; a node of it without mode: cluster is warned of", async () => {
  await using cluster = await ClusterTopology.start({
    replicasEach: 0,
    nodeTimeoutMs: 30_000,
  });
  const [{ host, port }] = cluster.endpoints as [{ host: string; port: number }];
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(
      file,
      `mode: cluster\nnodes: ["${host}:${port}"]\ndatabases:\n  main: { db: 0 }\n`,
    );
    const whole = await runCli(["doctor", "--json", "--config", file]);
    assertEquals(codeOf(whole), 1, whole.out);
    const { message } = lineOf(whole.out, "connect");
    for (const node of cluster.endpoints) assertStringIncludes(message, `${node.port}`);
    assertEquals(lineOf(whole.out, "server").status, "ok");
    const one = await runCli(["doctor", "--json", "--url", `redis://${host}:${port}`]);
    assertEquals(lineOf(one.out, "server").status, "warn");
    assertStringIncludes(lineOf(one.out, "server").message, "MOVED");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("doctor: a certificate of an unknown authority fails", async () => {
  await using cases = await makeTlsCases();
  await using server = await RedisServer.start({ tls: cases.unknownAuthority });
  const { code, out } = await runCli(["doctor", "--url", server.url]);
  assertEquals(code, 2, out);
  assertStringIncludes(out, "check tls.ca_file");
});

/** The one line of a check, out of the report of `--json`. */
function lineOf(out: string, check: string): { status: string; message: string } {
  const { findings } = JSON.parse(out);
  const lines = findings.filter((finding: { check: string }) => finding.check === check);
  assertEquals(lines.length, 1, `${check} in ${out}`);
  return lines[0];
}

Deno.test("doctor: looks a name up by itself, and says which is not known", async () => {
  await using server = await RedisServer.start(HEALTHY);
  const good = await runCli([
    ...["doctor", "--json", "--url", `redis://localhost:${server.port}`],
  ]);
  assertEquals(codeOf(good), 0, good.out);
  const { status, message } = lineOf(good.out, "resolve");
  assertEquals(status, "ok");
  assertMatch(message, /^localhost is .*(127\.0\.0\.1|::1)/);

  const args = [
    "doctor",
    "--json",
    "--timeout",
    "20",
    "--url",
    "redis://no-such.invalid",
  ];
  const bad = await runCli(args);
  assertEquals(bad.code, 2, bad.out);
  assertEquals(lineOf(bad.out, "resolve").status, "fail");
  assertStringIncludes(lineOf(bad.out, "resolve").message, "no-such.invalid");
  // Said once: the connection fails for the same reason.
  const checks = JSON.parse(bad.out).findings.map(({ check }: { check: string }) =>
    check
  );
  assertEquals(checks.includes("connect"), false);
});

Deno.test("doctor: a permission for host and port alone is enough, but for the lookup", async () => {
  await using server = await RedisServer.start(HEALTHY);
  const host = `localhost:${server.port}`;
  const args = ["doctor", "--json", "--url", `redis://${host}`];
  const ran = await runCli(args, ["--allow-env", `--allow-net=${host}`]);
  const { out } = ran;
  assertEquals(codeOf(ran), 0, out);
  assertEquals(lineOf(out, "resolve").status, "skip");
  assertEquals(lineOf(out, "connect").status, "ok");
});

Deno.test("doctor: keepalive's line has the kernel's values, or says whose they are", async () => {
  await using server = await RedisServer.start(HEALTHY);
  const args = ["doctor", "--json", "--url", server.url];
  const full = lineOf((await runCli(args)).out, "keepalive");
  const part = lineOf(
    (await runCli(args, ["--allow-env", "--allow-net"])).out,
    "keepalive",
  );
  if (Deno.build.os === "linux") {
    assertEquals(
      full.message,
      "tier full: the kernel has idle 600 s, interval 60 s, count 5",
    );
  }
  assertEquals([full.status, part.status], ["ok", "ok"]);
  assertMatch(
    part.message,
    nodeNetSetsKeepalive(Deno.version.deno)
      ? /^tier idle: idle 600 s; interval and count are the kernel's/
      : /^this runtime sets none; a heartbeat sends PING every 30 s$/,
  );
});

Deno.test("doctor: TLS tells version, cipher and the certificate's end; a near one warns", async () => {
  await using authority = await TlsAuthority.create();
  const dir = await Deno.makeTempDir();
  try {
    for (const [days, status] of [[60, "ok"], [3, "warn"]] as const) {
      const notAfter = new Date(Date.now() + (days + 0.5) * 86_400_000);
      const tls = await authority.issue({ notAfter });
      await using server = await RedisServer.start({ ...HEALTHY, tls });
      const file = `${dir}/redis.yaml`;
      await Deno.writeTextFile(
        file,
        `host: 127.0.0.1\nport: ${server.port}\ntls:\n  enabled: true\n` +
          `  ca_file: ${authority.caFile}\ndatabases:\n  main: { db: 0 }\n`,
      );
      const ran = await runCli(["doctor", "--json", "--config", file]);
      const [code, out] = [codeOf(ran), ran.out];
      const line = lineOf(out, "tls");
      const isTold = line.message.includes("the certificate ends");
      if (nodeNetSetsKeepalive(Deno.version.deno)) {
        assertMatch(line.message, /^TLSv1\.[23], \w+; the certificate ends in \d+ days/);
      }
      // Older runtimes tell only a part, or nothing.
      if (isTold) {
        assertEquals([code, line.status], [status === "ok" ? 0 : 1, status], out);
        assertStringIncludes(line.message, `in ${days} days`);
      } else {
        assertEquals([code, line.status], [0, "ok"], out);
        assertStringIncludes(line.message, "does not report version");
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("doctor: what a user may run is not claimed where ACL DRYRUN is refused", async () => {
  const user = "clerk on >clerk ~* &* +@all -acl|dryrun";
  await using server = await RedisServer.start({ ...HEALTHY, config: { user } });
  const url = `redis://clerk:clerk@127.0.0.1:${server.port}`;
  const { out } = await runCli(["doctor", "--json", "--url", url]);
  const { status, message } = lineOf(out, "user");
  assertEquals(status, "skip");
  assertMatch(message, /^what clerk may run is not known: NOPERM/);
});

Deno.test("doctor: several databases of a file have their lines each; one may be chosen", async () => {
  await using one = await RedisServer.start(HEALTHY);
  const closed = freePort();
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(
      file,
      `host: 127.0.0.1\ndatabases:\n  main: { db: 0, port: ${one.port} }\n` +
        `  cache: { db: 5, port: ${closed} }\n`,
    );
    const all = await runCli(["doctor", "--config", file]);
    assertEquals(all.code, 2, all.out);
    // What failed comes first.
    assertMatch(
      all.out,
      /^databases\.cache\n {2}fail connect: .*: connection refused\n/,
    );
    assertEquals(/^ {2}(ok|skip)/m.test(all.out), false, all.out);
    assertMatch(all.out, new RegExp(`\\n2 databases of ${file}: .* 1 fail`));
    const full = await runCli(["doctor", "--config", file, "--all"]);
    assertMatch(full.out, /\ndatabases\.main\n {2}ok {3}connect: /);
    assertMatch(full.out, /\ndatabases\.main, cache\n {2}ok {3}permissions: /);
    assertStringIncludes(full.out, "maxLanes = 1");
    const main = await runCli(["doctor", "--config", file, "--database", "main"]);
    assertEquals(codeOf(main), 0, main.out);
    const unknown = await runCli(["doctor", "--config", file, "--database", "mian"]);
    assertEquals(unknown.code, 2);
    assertStringIncludes(unknown.err, "main");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("doctor: what holds for several databases is said once, and asked once", async () => {
  await using server = await RedisServer.start();
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    const names = Array.from({ length: 12 }, (_, i) => `name${i}`);
    await Deno.writeTextFile(
      file,
      `host: 127.0.0.1\nport: ${server.port}\nmax_waiting: 77\ndatabases:\n` +
        names.map((name, db) => `  ${name}: { db: ${db} }\n`).join(""),
    );
    const { out } = await runCli(["doctor", "--config", file]);
    assertEquals(out.match(/warn persistence/g)?.length, 1, out);
    assertEquals(out.match(/maxWaiting = 77/g)?.length, 1, out);
    assertStringIncludes(out, "databases.name0, name1, name2 and 9 more\n  warn");
    const infos = /cmdstat_info:calls=(\d+)/.exec(
      String(await server.cli("INFO", "commandstats")),
    );
    // One of the doctor's own; connections ask for their clients' limit too.
    const json = await runCli(["doctor", "--config", file, "--json"]);
    const { findings } = JSON.parse(json.out);
    const persistence = findings.filter(({ check }: { check: string }) =>
      check === "persistence"
    );
    assertEquals([persistence.length, Number(infos?.[1]) < names.length], [12, true]);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("doctor: five broken set-ups, each with what to do", async () => {
  await using server = await RedisServer.start({ password: "r1ght" });
  await using web = Deno.serve(
    { port: 0, onListen: () => {} },
    () => new Response("hello"),
  );
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  const { port } = web.addr;
  try {
    for (
      const [yaml, said, advice] of [
        [
          "max_conections: 5\ndatabases: { main: {} }",
          /^configuration\n {2}fail max_conections: .*"?max_connections"?.*\(.*:1:1\)\n/,
          "correct it there",
        ],
        [
          `host: 127.0.0.1\nport: ${freePort()}\ndatabases: { main: {}, cache: { db: 5 } }`,
          /^databases\.main, cache\n {2}fail connect: 127\.0\.0\.1:\d+: connection refused\n/,
          "mooring dev",
        ],
        [
          `host: 127.0.0.1\nport: ${server.port}\npassword: wr0ng\ndatabases: { main: {} }`,
          /^databases\.main\n {2}fail auth: 127\.0\.0\.1:\d+: .*WRONGPASS/,
          "check username and password",
        ],
        [
          `url: rediss://:r1ght@127.0.0.1:${server.port}\ndatabases: { main: {} }`,
          /^databases\.main\n {2}fail connect: 127\.0\.0\.1:\d+: .*speaks no TLS/,
          "switch TLS off",
        ],
        [
          `host: 127.0.0.1\nport: ${port}\ndatabases: { main: {} }`,
          /^databases\.main\n {2}fail connect: 127\.0\.0\.1:\d+: not a Redis server/,
          "something else listens there",
        ],
      ] as const
    ) {
      await Deno.writeTextFile(file, yaml);
      const { code, out, err } = await runCli(["doctor", "--config", file]);
      assertEquals([code, err], [2, ""], out);
      assertMatch(out, said);
      assertStringIncludes(out.split("\n")[2]!, `→ `);
      assertStringIncludes(out.split("\n")[2]!, advice);
      assertEquals(/wr0ng|r1ght/.test(out), false, out);
    }
  } finally {
    await Deno.remove(file);
  }
});
