/** The test kit as its users have it: by its entrypoint, under a manager, in processes. */
import {
  CommandTimeoutError,
  ConnectionLostError,
  RedisConnectionManager,
  RedisManagerError,
} from "@mooring/redis";
import {
  fakeClock,
  FaultProxy,
  startCluster,
  startRedis,
  startSentinel,
} from "@mooring/redis/testing";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { configArgs } from "../../support/child_config.ts";
import { runDeno } from "../config/run_child.ts";

const SETTINGS = { databases: { main: { db: 0 } } };

/** Runs a program in a process with just these permissions. */
async function run(
  program: string,
  flags: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts", dir: "." });
  try {
    await Deno.writeTextFile(file, program);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...configArgs(), ...flags, file],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
    });
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } finally {
    await Deno.remove(file);
  }
}

const PROGRAM = `
import { FaultProxy, startRedis } from "@mooring/redis/testing";
await using server = await startRedis();
await using _proxy = await FaultProxy.start({ to: server });
console.log(await server.cli("PING"));
`;

// As the documentation of the module names them.
const FLAGS = [
  "--allow-run=sh",
  "--allow-net",
  "--allow-env",
  "--allow-read",
  "--allow-write",
  "--allow-sys=uid",
];

Deno.test("startRedis() and FaultProxy need the permissions that are documented, no more", async () => {
  const { code, stdout, stderr } = await run(PROGRAM, FLAGS);
  assertEquals([code, stdout], [0, "PONG\n"], stderr);
  const documentation = await Deno.readTextFile("src/testing/main.ts");
  for (const flag of FLAGS) assertStringIncludes(documentation, `\`${flag}\``);
});

for (const denied of FLAGS) {
  Deno.test(`startRedis() names the permission that is missing: ${denied}`, async () => {
    const { code, stderr } = await run(PROGRAM, FLAGS.filter((flag) => flag !== denied));
    assertEquals(code, 1);
    assertStringIncludes(stderr, "NotCapable");
    assertStringIncludes(stderr, denied.split("=")[0]!);
  });
}

Deno.test("startRedis() says how to get a server where there is none", async () => {
  const empty = await Deno.makeTempDir();
  try {
    const env = { PATH: empty, REDIS_SERVER: "" };
    const { code, stderr } = await run(PROGRAM, ["-A"], env);
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      "Cannot find a Redis server on PATH: install redis-server or valkey-server " +
        "(Debian and Ubuntu: `apt-get install redis-server`; macOS: `brew install redis`; " +
        "Alpine: `apk add valkey`), or name the executable in REDIS_SERVER",
    );
  } finally {
    await Deno.remove(empty);
  }
});

Deno.test("options out of their range are refused before anything is started", async () => {
  const to = { host: "127.0.0.1", port: 1 };
  const cases: [() => Promise<unknown>, string][] = [
    [
      () => startRedis({ port: 70_000 }),
      "Cannot start a server as port must be an integer, 1 to 65535: current value is 70000",
    ],
    [
      () => startRedis({ startTimeoutMs: 0 }),
      "startTimeoutMs must be an integer, 1 or more",
    ],
    [() => startCluster({ primaries: 0 }), "primaries must be an integer, 1 or more"],
    [
      () => startCluster({ replicasEach: -1 }),
      "replicasEach must be an integer, 0 or more",
    ],
    [() => startSentinel({ sentinels: 0 }), "sentinels must be an integer, 1 or more"],
    [
      () => startSentinel({ sentinels: 3, quorum: 4 }),
      "quorum must be an integer, 1 to 3: current value is 4",
    ],
    [() => FaultProxy.start({ to, port: NaN }), "port must be an integer, 1 to 65535"],
  ];
  for (const [start, message] of cases) await assertRejects(start, RangeError, message);
});

Deno.test("the test kit imports neither ioredis nor the package, which does not import it", async () => {
  const filesOf = async (entrypoint: string) => {
    const { stdout } = await runDeno(["info", "--json", entrypoint]);
    const { modules } = JSON.parse(stdout) as { modules: { specifier: string }[] };
    return modules.map(({ specifier }) => specifier);
  };
  const kit = await filesOf("src/testing/main.ts");
  assert(kit.length > 10, `${kit.length} modules were read`);
  const foreign = kit.filter((file) => !/\/src\/(testing|core)\/|^node:/.test(file));
  assertEquals(foreign, []);
  const main = await filesOf("mod.ts");
  assertEquals(main.filter((file) => file.includes("/src/testing/")), []);
});

Deno.test("FaultProxy.delay() delays replies, which a deadline notices", async () => {
  await using server = await startRedis();
  await using proxy = await FaultProxy.start({ to: server });
  await using manager = new RedisConnectionManager({ url: proxy.url, ...SETTINGS });
  const main = await manager.getAsyncClient("main");
  proxy.delay(60_000);
  await assertRejects(() => main.with({ timeoutMs: 50 }).get("k"), CommandTimeoutError);
  proxy.heal();
});

Deno.test("FaultProxy.cut() loses the reply of a command that ran, new connections pass", async () => {
  await using server = await startRedis();
  await using proxy = await FaultProxy.start({ to: server });
  await using manager = new RedisConnectionManager({ url: proxy.url, ...SETTINGS });
  const main = await manager.getAsyncClient("main");
  for (const how of ["reset", "end"] as const) {
    proxy.cut({ how });
    const error = await assertRejects(() => main.incr("n"), ConnectionLostError);
    assertEquals(error.delivery, "ambiguous");
    assertEquals(await main.ping(), "PONG");
  }
  assertEquals(await main.get("n"), "2");
});

Deno.test("FaultProxy.swallow() leaves the connection open and loses the reply", async () => {
  await using server = await startRedis();
  await using proxy = await FaultProxy.start({ to: server });
  await using manager = new RedisConnectionManager({ url: proxy.url, ...SETTINGS });
  const main = await manager.getAsyncClient("main");
  proxy.swallow();
  const error = await assertRejects(
    () => main.with({ timeoutMs: 200 }).incr("n"),
    CommandTimeoutError,
  );
  assertEquals(error.delivery, "ambiguous");
  assertEquals(await server.cli("GET", "n"), "1");
  assertEquals(proxy.connections.length, 1);
});

Deno.test("FaultProxy.reset() and refuse() take the server away, listen() brings it back", async () => {
  await using server = await startRedis();
  await using proxy = await FaultProxy.start({ to: server });
  await using manager = new RedisConnectionManager({ url: proxy.url, ...SETTINGS });
  const main = await manager.getAsyncClient("main");
  await proxy.refuse();
  proxy.reset();
  await main.set("k", 0).catch(() => {}); // on the connection that was reset
  await assertRejects(
    () => main.with({ timeoutMs: 300 }).set("k", 0),
    RedisManagerError,
    `127.0.0.1:${proxy.port}`,
  );
  await proxy.listen();
  await main.set("k", 1);
  assertEquals(await server.cli("GET", "k"), "1");
});

Deno.test("fakeClock() moves a manager's deadlines, not a command that is answered", async () => {
  await using server = await startRedis();
  const clock = fakeClock();
  await using manager = new RedisConnectionManager(
    { url: server.url, ...SETTINGS },
    {},
    clock,
  );
  const main = await manager.getAsyncClient("main");
  assertEquals(await main.set("k", 1), "OK");
  server.pause();
  let isOver = false;
  const reply = assertRejects(() => main.get("k"), CommandTimeoutError)
    .finally(() => isOver = true);
  await clock.advance(manager.config.databases.main!.commandTimeoutMs - 1);
  assertEquals(isOver, false);
  await clock.advance(100);
  await reply;
  server.resume();
});
