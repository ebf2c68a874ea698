import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  type RedisConfig,
  RedisConfigLoader,
  type RedisConfigOptions,
} from "../../../mod.ts";
import {
  adviceFor,
  judgeKeepalive,
  judgeTls,
  REACH,
  type SocketFacts,
} from "../../../src/cli/doctor/connection_checks.ts";
import {
  judgeClock,
  judgeEviction,
  judgeMaxClients,
  judgeOpen,
  judgePersistence,
  judgeReplication,
  judgeServer,
  judgeTracking,
} from "../../../src/cli/doctor/server_checks.ts";
import type { Verdict } from "../../../src/cli/doctor/findings.ts";
import { targetsOf } from "../../../src/cli/load_config.ts";
import { parseInfo } from "../../../src/cli/server_info.ts";

const NOW = Date.UTC(2026, 0, 1);
const PLAIN: SocketFacts = {
  endpoint: "10.0.0.7:7000",
  keepalive: "idle",
  kernelKeepalive: null,
  tls: null,
};

function config(main: RedisConfigOptions = {}): RedisConfig {
  return RedisConfigLoader.fromOptions({ databases: { main } }).databases.main!;
}

function assertVerdict(found: Verdict, status: Verdict["status"], text: string): void {
  assertEquals(found.status, status, JSON.stringify(found));
  assertStringIncludes(found.message, text);
  const needsAdvice = status === "warn" || status === "fail";
  assertEquals(found.advice !== undefined, needsAdvice, JSON.stringify(found));
}

Deno.test("judgeServer() objects to a server of another kind than is configured", () => {
  const judge = (redis_mode: string, mode: string) =>
    judgeServer({ redis_version: "7.0.15", redis_mode }, mode);
  assertVerdict(judge("standalone", "standalone"), "ok", "version 7.0.15, standalone");
  assertVerdict(judge("standalone", "sentinel"), "ok", "standalone");
  assertVerdict(judge("cluster", "cluster"), "ok", "cluster");
  assertVerdict(judge("cluster", "standalone"), "warn", "MOVED");
  assertVerdict(judge("sentinel", "standalone"), "fail", "holds no data");
  const valkey = (server_mode: string, mode: string) =>
    judgeServer({
      redis_version: "7.2.4",
      server_name: "valkey",
      valkey_version: "9.1.2",
      server_mode,
    }, mode);
  const version = "version 9.1.2 (valkey), standalone";
  assertVerdict(valkey("standalone", "standalone"), "ok", version);
  assertVerdict(valkey("cluster", "standalone"), "warn", "MOVED");
  assertVerdict(valkey("sentinel", "standalone"), "fail", "holds no data");
  assertVerdict(judgeServer({}, "standalone"), "ok", "version unknown, unknown kind");
});

Deno.test("adviceFor() fits what was said of the failure", () => {
  const cases: [message: string, advice: string][] = [
    ["connect ECONNREFUSED 127.0.0.1:1", REACH],
    ["getaddrinfo ENOTFOUND tls.cluster.internal", "DNS"],
    ['unknown host "tls.cluster.internal": no name server knows it', "DNS"],
    ["not a Redis server but an HTTP server", "something else listens"],
    ["the server speaks no TLS: use a redis:// URL", "switch TLS off"],
    ["the server speaks TLS, and this client does not", "switch TLS on"],
    ["connection reset", "does it require TLS"],
    ["self-signed certificate in certificate chain", "tls.ca_file"],
    ['cannot read the file "/ca.pem": it does not exist', "the files of tls"],
    ["ERR DB index is out of range", "setting databases"],
    ["write EPIPE", "does it require TLS"],
    ["write UNKNOWN", "does it require TLS"],
    ["read ECONNRESET", "does it require TLS"],
    ["ERR max number of clients reached", "raise maxclients"],
    ['no sentinel could name the primary "m" (…)', "sentinel_name"],
    ["it does not tell which slots are served: NOPERM …", "ACL SETUSER"],
    ["ERR This instance has cluster support disabled", "servers of a cluster"],
  ];
  for (const [message, advice] of cases) assertStringIncludes(adviceFor(message), advice);
});

Deno.test("judgeTls() warns of a password without TLS beyond this machine only", () => {
  const judge = (main: RedisConfigOptions) => judgeTls(config(main), PLAIN, NOW);
  assertVerdict(judge({ host: "127.0.0.1", password: "x" }), "skip", "not configured");
  assertVerdict(judge({ host: "redis.internal" }), "skip", "not configured");
  assertVerdict(
    judge({ host: "redis.internal", password: "x" }),
    "warn",
    "the password goes to redis.internal without TLS",
  );
});

Deno.test("judgeTls() looks at the node that it is connected to where there are several", () => {
  const nodes = [{ host: "10.0.0.7", port: 7000 }];
  const cluster = config({ mode: "cluster", nodes, password: "x" });
  const at = (endpoint: string) => judgeTls(cluster, { ...PLAIN, endpoint }, NOW);
  assertVerdict(at("10.0.0.7:7000"), "warn", "the password goes to 10.0.0.7 without TLS");
  assertVerdict(at("127.0.0.1:7000"), "skip", "not configured");
  assertVerdict(at("[::1]:7000"), "skip", "not configured");
});

Deno.test("judgeTls() judges the certificate's end and whether it is verified", () => {
  const judge = (expiresAt: string | null, verify = true) =>
    judgeTls(config({ tls: { enabled: true, verify } }), {
      ...PLAIN,
      tls: { protocol: "TLSv1.3", cipher: "TLS_X", expiresAt },
    }, NOW);
  assertVerdict(judge("2026-01-15T00:00:00.000Z"), "ok", "TLSv1.3, TLS_X");
  assertVerdict(judge("2026-01-14T23:59:59.000Z"), "warn", "in 13 days");
  assertVerdict(judge(null), "ok", "TLSv1.3");
  assertVerdict(judge("2027-01-01T00:00:00.000Z", false), "warn", "not verified");
});

Deno.test("judgeKeepalive() compares the kernel's values with the configured ones", () => {
  const kernel = { isOn: true, idleSeconds: 600, intervalSeconds: 60, count: 5 };
  const judge = (change: Partial<typeof kernel>) =>
    judgeKeepalive(config(), {
      ...PLAIN,
      keepalive: "full",
      kernelKeepalive: { ...kernel, ...change },
    });
  assertVerdict(judge({}), "ok", "idle 600 s, interval 60 s, count 5");
  for (
    const change of [
      { isOn: false },
      { idleSeconds: 7200 },
      { intervalSeconds: 75 },
      { count: 9 },
    ]
  ) assertVerdict(judge(change), "warn", "not what is configured");
});

Deno.test("judgeKeepalive() warns only where nothing would notice a dead peer", () => {
  const judge = (main: RedisConfigOptions, keepalive: SocketFacts["keepalive"]) =>
    judgeKeepalive(config(main), { ...PLAIN, keepalive });
  assertVerdict(judge({}, "idle"), "ok", "interval and count are the kernel's");
  assertVerdict(judge({}, "on"), "ok", "all times are the kernel's");
  assertVerdict(judge({}, "heartbeat"), "ok", "a heartbeat sends PING every 30 s");
  assertVerdict(
    judge({ healthCheckIntervalMs: 0, socketKeepalive: false }, "heartbeat"),
    "warn",
    "it is off (socket_keepalive)",
  );
  assertVerdict(judge({ unixSocket: "/run/r.sock" }, "heartbeat"), "skip", "Unix socket");
});

Deno.test("targetsOf() is where connections begin", () => {
  assertEquals(targetsOf(config({ host: "h", port: 1 })), ["h:1"]);
  assertEquals(targetsOf(config({ host: "::1", port: 7 })), ["[::1]:7"]);
  assertEquals(targetsOf(config({ unixSocket: "/run/r.sock" })), []);
  const nodes = [{ host: "a", port: 1 }, { host: "b", port: 2 }];
  assertEquals(targetsOf(config({ mode: "cluster", nodes })), ["a:1", "b:2"]);
});

Deno.test("judgeMaxClients() multiplies by the instances", () => {
  assertVerdict(judgeMaxClients(20, 5, 100), "ok", "20 connections × 5 instances = 100");
  assertVerdict(judgeMaxClients(20, 6, 100), "fail", "= 120, maxclients 100");
  assertVerdict(judgeMaxClients(20, 6, NaN), "skip", "does not report it");
});

Deno.test("judgeOpen() counts lanes and leases of a database, and those that stand", () => {
  const list = [
    "id=1 addr=127.0.0.1:1 name=mooring:main:lane db=0 sub=0 psub=0 flags=N ",
    "id=2 addr=127.0.0.1:2 name=mooring:main:lease db=0 sub=0 psub=1 flags=P ",
    "id=3 addr=127.0.0.1:3 name=mooring:main:lease db=0 sub=0 psub=0 flags=b ",
    "id=4 addr=127.0.0.1:4 name=mooring:main:lease db=0 sub=2 psub=0 flags=N ",
    "id=5 addr=127.0.0.1:5 name=mooring:main:lease db=0 sub=0 psub=0 flags=N ",
    "id=6 addr=127.0.0.1:6 name=mooring:other:lease db=0 sub=0 psub=0 flags=b ",
  ].join("\n");
  const text = "1 lane and 4 leases, of which 3 subscribe or block";
  assertVerdict(judgeOpen(list, { name: "main" }), "ok", text);
  assertVerdict(
    judgeOpen(list, { name: "main", clientName: "me" }),
    "skip",
    "client_name",
  );
});

Deno.test("judgeEviction() warns where keys without expiry are evicted", () => {
  const judge = (maxmemory: string, maxmemory_policy: string) =>
    judgeEviction({ maxmemory, maxmemory_policy });
  assertVerdict(judge("0", "allkeys-lru"), "ok", "no maxmemory");
  assertVerdict(judge("100", "noeviction"), "ok", "maxmemory 100 bytes");
  assertVerdict(judge("100", "volatile-ttl"), "ok", "volatile-ttl");
  assertVerdict(judge("100", "allkeys-lru"), "warn", "without expiry are evicted");
  assertVerdict(judgeEviction({}), "skip", "does not report it");
});

Deno.test("judgeTracking() tells how much the server remembers", () => {
  const judge = (tracking_total_keys: string, most?: string) =>
    judgeTracking(
      { tracking_total_keys, tracking_total_prefixes: "2", tracking_clients: "3" },
      { "tracking-table-max-keys": most },
    );
  assertVerdict(judge("12", "100"), "ok", "12 keys (100) and 2 prefixes for 3 conn");
  assertVerdict(judge("95", "100"), "warn", "95 keys (100)");
  assertVerdict(judge("95", "0"), "ok", "95 keys (no limit)");
  assertVerdict(judge("95"), "ok", "95 keys (no limit)");
  assertVerdict(judgeTracking({}, {}), "fail", "does not know CLIENT TRACKING");
});

Deno.test("judgePersistence() tells what a restart or a crash loses", () => {
  const aof = { aof_enabled: "1", aof_last_write_status: "ok" };
  const none = { aof_enabled: "0" };
  assertVerdict(judgePersistence(aof, { appendfsync: "everysec" }), "ok", "everysec");
  assertVerdict(judgePersistence(aof, { appendfsync: "no" }), "warn", "fsync no");
  assertVerdict(
    judgePersistence({ ...aof, aof_last_write_status: "err" }, {}),
    "fail",
    "append-only file failed",
  );
  assertVerdict(judgePersistence(none, { save: "" }), "warn", "loses everything");
  assertVerdict(judgePersistence(none, { save: "60 1" }), "warn", "save 60 1");
  assertVerdict(judgePersistence(none, {}), "warn", "snapshots only:");
  assertVerdict(
    judgePersistence(none, { save: "60 1", "stop-writes-on-bgsave-error": "no" }),
    "warn",
    "writes go on",
  );
  assertVerdict(
    judgePersistence({ ...none, rdb_last_bgsave_status: "err" }, {}),
    "fail",
    "last save failed",
  );
});

Deno.test("judgeReplication() warns of a replica, and of writes that none has", () => {
  const wanted = (n: string) => ({ "min-replicas-to-write": n });
  const primary = (n: string) => ({ role: "master", connected_slaves: n });
  assertVerdict(judgeReplication(primary("0"), wanted("0")), "ok", "0 replicas");
  assertVerdict(judgeReplication(primary("2"), wanted("1")), "ok", "2 replicas");
  assertVerdict(judgeReplication(primary("2"), wanted("0")), "warn", "2 replicas");
  assertVerdict(judgeReplication({ role: "slave" }, {}), "warn", "it is a replica");
  assertVerdict(judgeReplication({}, {}), "skip", "does not report it");
});

Deno.test("judgeClock() allows a second and what the question took", () => {
  assertVerdict(judgeClock(1_000_000, 1_000_400, 10), "ok", "400 ms behind");
  assertVerdict(judgeClock(1_001_005, 1_000_000, 10), "ok", "1005 ms ahead (±5 ms)");
  assertVerdict(judgeClock(1_001_006, 1_000_000, 10), "warn", "1006 ms ahead");
});

Deno.test("parseInfo() reads lines, not headings", () => {
  const text = "# Server\r\nredis_version:7.0.15\r\n\r\nexecutable:/a:b\r\n";
  assertEquals(parseInfo(text), { redis_version: "7.0.15", executable: "/a:b" });
});
