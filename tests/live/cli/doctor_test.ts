import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePort } from "../../support/ports.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { makeTlsCases } from "../../support/tls.ts";
import { fillSlowly, slowLoader } from "../faults/_loading.ts";
import { runCli } from "./_run.ts";

/** A server that the doctor has nothing to object to. */
const HEALTHY = { persistence: "aof" } as const;

Deno.test("doctor: a healthy server is ok in every line, exit code 0", async () => {
  await using server = await RedisServer.start({ ...HEALTHY, password: "s3cretpw" });
  const { code, out, err } = await runCli(["doctor", "--url", server.url, "--json"]);
  assertEquals(code, 0, out + err);
  const { findings, summary, config } = JSON.parse(out);
  assertEquals([summary.warn, summary.fail], [0, 0]);
  const checks = findings.map(({ check }: { check: string }) => check);
  for (
    const check of [
      ...["connect", "latency", "server", "maxclients", "eviction", "persistence"],
      ...["replication", "user", "clock"],
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
  const { code, out } = await runCli(["doctor", "--url", server.url]);
  assertEquals(code, 1, out);
  assertStringIncludes(out, "warn persistence: no snapshots, no append-only file");
});

Deno.test("doctor: a closed port fails, exit code 2", async () => {
  const { code, out } = await runCli([
    "doctor",
    "--url",
    `redis://127.0.0.1:${freePort()}`,
  ]);
  assertEquals(code, 2, out);
  assertMatch(out, /fail connect: .*ECONNREFUSED/);
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
  const { code, out } = await runCli(["doctor", "--url", url]);
  assertEquals(code, 1, out);
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
  assertEquals((await runCli(["doctor", "--url", server.url])).code, 0);
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

Deno.test("doctor: a certificate of an unknown authority fails", async () => {
  await using cases = await makeTlsCases();
  await using server = await RedisServer.start({ tls: cases.unknownAuthority });
  const { code, out } = await runCli(["doctor", "--url", server.url]);
  assertEquals(code, 2, out);
  assertStringIncludes(out, "check tls.ca_file");
});
