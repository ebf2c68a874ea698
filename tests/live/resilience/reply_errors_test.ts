import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { classifyReplyError } from "../../../src/resilience/reply_errors.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import type { RespClient } from "../../../src/testing/resp_client.ts";
import { RespError } from "../../../src/testing/resp_parser.ts";
import { waitFor } from "../../../src/testing/wait.ts";

async function ask(client: RespClient, ...args: (string | number)[]) {
  const reply = await client.send(...args);
  assertInstanceOf(reply, RespError, `${args.join(" ")} succeeded`);
  const found = classifyReplyError(
    reply.message,
    /^(?:eval|fcall)/.test(String(args[0])),
  );
  return { ...found, message: reply.message };
}

/** A closed port of loopback: a primary that is never there. */
const NOWHERE = ["127.0.0.1", "1"] as const;

const SCRIPTS = [
  "return redis.call('set', KEYS[1], 1)",
  "return redis.pcall('set', KEYS[1], 1)",
  "local e = redis.pcall('set', KEYS[1], 1) return redis.error_reply(e.err)",
  "local e = redis.pcall('set', KEYS[1], 1) error(e)",
  "local e = redis.pcall('set', KEYS[1], 1) error(e.err)",
  "local ok, e = pcall(redis.call, 'set', KEYS[1], 1) error(e)",
];

Deno.test("classifyReplyError() knows READONLY of a real replica, in scripts too", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  await client.send("REPLICAOF", ...NOWHERE);
  const direct = await ask(client, "SET", "k", 1);
  assertEquals([direct.code, direct.unapplied], [
    "READONLY",
    true,
  ]);
  for (const script of SCRIPTS) {
    // A write that is tried first, and whose failure the script ignores, is not applied.
    const body = `redis.pcall('set', KEYS[2], 1) ${script}`;
    const found = await ask(client, "eval", body, 2, "k", "before");
    assertEquals([script, found.code, found.unapplied], [script, "READONLY", true]);
    assertEquals(found.rule.reresolve, true);
  }
  await client.send("REPLICAOF", "NO", "ONE");
  assertEquals(await client.send("DBSIZE"), 0);
});

Deno.test("classifyReplyError() knows READONLY in a discarded transaction", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  await client.send("MULTI");
  await client.send("SET", "k", 1);
  await server.cli("REPLICAOF", ...NOWHERE);
  const found = await ask(client, "EXEC");
  assertEquals([found.code, found.unapplied], [
    "READONLY",
    true,
  ]);
  await client.send("MULTI");
  await client.send("SET", "k", 1);
  assertEquals((await ask(client, "EXEC")).code, "EXECABORT");
});

Deno.test("classifyReplyError() knows MASTERDOWN of a replica without stale data", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  await client.send("SET", "k", 1);
  await client.send("CONFIG", "SET", "replica-serve-stale-data", "no");
  await client.send("REPLICAOF", ...NOWHERE);
  assertEquals((await ask(client, "GET", "k")).code, "MASTERDOWN");
  const found = await ask(client, "eval", "return redis.call('get', KEYS[1])", 1, "k");
  assertEquals([found.code, found.unapplied, found.rule.action], [
    "MASTERDOWN",
    true,
    "wait",
  ]);
});

Deno.test("classifyReplyError() knows OOM, which comes before a script's first write", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  await client.send("SET", "gone", 1);
  await client.send("CONFIG", "SET", "maxmemory", "1");
  assertEquals((await ask(client, "SET", "k", 1)).code, "OOM");
  for (const script of SCRIPTS) {
    const found = await ask(client, "eval", script, 1, "k");
    assertEquals([script, found.code, found.unapplied], [script, "OOM", true]);
  }
  // After a first write the server lets the script finish: no OOM half way.
  const script = `redis.call('del', 'gone') ${SCRIPTS[0]}`;
  assertEquals(await client.send("eval", script, 1, "k"), "OK");
  assertEquals(await client.send("EXISTS", "gone"), 0);
});

Deno.test("classifyReplyError() does not call unapplied what follows a script's write", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  const found = await ask(
    client,
    "eval",
    "redis.call('set', KEYS[1], 'x') return redis.call('lpush', KEYS[1], 1)",
    1,
    "k",
  );
  assertEquals([found.code, found.unapplied], [
    "WRONGTYPE",
    false,
  ]);
  assertEquals(await client.send("GET", "k"), "x");

  await client.send("CONFIG", "SET", "min-replicas-to-write", "1");
  assertEquals((await ask(client, "SET", "k", 1)).code, "NOREPLICAS");
});

Deno.test("classifyReplyError() knows BUSY, NOSCRIPT and both kinds of UNBLOCKED", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  using other = await server.connect();
  assertEquals((await ask(client, "EVALSHA", "0".repeat(40), 0)).code, "NOSCRIPT");

  const unblocked = ask(client, "BLPOP", "nothing", 0);
  const id = await blockedId(server);
  await other.send("CLIENT", "UNBLOCK", id, "ERROR");
  assertEquals((await unblocked).code, "UNBLOCKED");

  const demoted = ask(client, "BLPOP", "nothing", 0);
  await blockedId(server);
  await other.send("REPLICAOF", ...NOWHERE);
  const found = await demoted;
  assertEquals([found.code, found.rule.reresolve], ["BLOCKED_DEMOTED", true]);
  await other.send("REPLICAOF", "NO", "ONE");

  await other.send("CONFIG", "SET", "busy-reply-threshold", "50");
  // The server closed the connection of the command that it unblocked.
  using third = await server.connect();
  const running = third.send("EVAL", "while true do end", 0);
  await waitFor(async () => await other.send("PING") instanceof RespError);
  const busy = await ask(other, "GET", "k");
  assertEquals([busy.code, busy.rule.action], ["BUSY", "wait"]);
  await other.send("SCRIPT", "KILL");
  assertInstanceOf(await running, RespError);
});

async function blockedId(server: RedisServer): Promise<string> {
  return await waitFor(async () => {
    const list = String(await server.cli("CLIENT", "LIST"));
    return /^id=(\d+) .*cmd=blpop/m.exec(list)?.[1];
  }, { what: "somebody who is blocked" });
}

Deno.test("classifyReplyError() knows what a server says of credentials", async () => {
  await using server = await RedisServer.start();
  using client = await server.connect();
  assertEquals((await ask(client, "AUTH", "nobody", "x")).code, "WRONGPASS");
  assertEquals((await ask(client, "HELLO", 9)).code, "NOPROTO");
  await client.send("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+get", "+eval");
  assertEquals(await client.send("AUTH", "reader", "x"), "OK");
  const denied = await ask(client, "SET", "k", 1);
  assertEquals([denied.code, denied.rule.kind], ["NOPERM", "permission"]);
  await server.cli("CONFIG", "SET", "requirepass", "secret");
  const conn = await Deno.connect({ port: server.port });
  await conn.write(new TextEncoder().encode("GET k\r\n"));
  const buffer = new Uint8Array(200);
  const length = await conn.read(buffer);
  conn.close();
  assert(length !== null);
  const text = new TextDecoder().decode(buffer.subarray(1, length)).trimEnd();
  assertEquals(classifyReplyError(text).code, "NOAUTH");
});

Deno.test("classifyReplyError() knows a full server and a loading one", async () => {
  await using server = await RedisServer.start({ persistence: "rdb" });
  const sets = Array.from({ length: 2000 }, (_, i) => ["SET", `k${i}`, "x".repeat(200)]);
  await server.pipeline(sets);
  await server.cli("CONFIG", "SET", "maxclients", "1");
  const conn = await Deno.connect({ port: server.port });
  const buffer = new Uint8Array(200);
  const length = await conn.read(buffer);
  conn.close();
  assert(length !== null);
  const text = new TextDecoder().decode(buffer.subarray(1, length)).trimEnd();
  const full = classifyReplyError(text);
  assertEquals([full.code, full.rule.kind], ["MAXCLIENTS", "refused"]);

  await server.restart({
    // 20 s, which nobody waits for.
    config: {
      "key-load-delay": "10000",
      "loading-process-events-interval-bytes": "1024",
    },
  });
  using client = await server.connect();
  const loading = await ask(client, "GET", "k");
  assertEquals([loading.code, loading.unapplied, loading.rule.kind], [
    "LOADING",
    true,
    "loading",
  ]);
  assertEquals((await ask(client, "eval", SCRIPTS[0]!, 1, "k")).code, "LOADING");
});
