import { assert, assertEquals, assertMatch } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { encodeCommand } from "../../../src/testing/resp_parser.ts";
import { ReplyGuard } from "../../../src/transport/reply_guard.ts";

type Args = (string | number)[];

/** Sends commands at once and scans what comes until all are answered, or one is not. */
async function scanReplies(
  server: RedisServer,
  commands: Args[],
  expected = commands.length,
): Promise<{ guard: ReplyGuard; violation?: string }> {
  using conn = await Deno.connect({ port: server.port });
  const guard = new ReplyGuard();
  const sending = (async () => {
    const writer = conn.writable.getWriter();
    for (const command of commands) await writer.write(encodeCommand(command));
  })();
  const chunk = new Uint8Array(64 * 1024);
  while (guard.replies + guard.confirmations < expected) {
    const length = await conn.read(chunk);
    assert(length !== null, "the server closed the connection");
    const found = guard.scan(chunk.subarray(0, length));
    if (typeof found !== "number") return { guard, violation: found };
  }
  await sending;
  return { guard };
}

const KINDS = ["string", "integer", "double", "null", "array", "set", "map"];

const COMMANDS: Args[] = [
  ["COMMAND"],
  ["COMMAND", "DOCS"],
  ["COMMAND", "LIST"],
  ["INFO", "everything"],
  ["CONFIG", "GET", "*"],
  ["ACL", "LIST"],
  ["ACL", "GETUSER", "default"],
  ["CLIENT", "LIST"],
  ["CLIENT", "TRACKINGINFO"],
  ["MEMORY", "STATS"],
  ["MEMORY", "DOCTOR"],
  ["LATENCY", "DOCTOR"],
  ["LATENCY", "HISTOGRAM"],
  ["LOLWUT"],
  ["ROLE"],
  ["SLOWLOG", "GET"],
  ["FUNCTION", "STATS"],
  ["NO", "SUCH"],
  ["SET", "k", "v\r\n$-1\r\n"],
  ["GET", "k"],
  ["GET", "nothing"],
  ["SET", "big", "x".repeat(300_000)],
  ["GET", "big"],
  ["LPUSH", "k", 1],
  ["HSET", "h", "a", 1, "b", ""],
  ["HGETALL", "h"],
  ["HRANDFIELD", "h", 2, "WITHVALUES"],
  ["SADD", "s", 1, 2, 3],
  ["SMEMBERS", "s"],
  ["ZADD", "z", "1.5", "a", "inf", "b", "-inf", "c", "1e300", "d"],
  ["ZRANGE", "z", 0, -1, "WITHSCORES"],
  ["ZSCORE", "z", "b"],
  ["GEOADD", "g", "13.36", "38.11", "p"],
  ["GEOPOS", "g", "p", "q"],
  ["XADD", "x", "*", "a", 1],
  ["XGROUP", "CREATE", "x", "gr", 0],
  ["XREADGROUP", "GROUP", "gr", "c", "STREAMS", "x", ">"],
  ["XINFO", "STREAM", "x", "FULL"],
  ["XPENDING", "x", "gr"],
  ["EVAL", "return {1, {2, {3, {}}}, false, {err='E x'}, {ok='fine'}}", 0],
  ["EVAL", "redis.setresp(3) return {double=1.5}", 0],
  ["EVAL", "redis.setresp(3) return {map={a=1, b={map={c={}}}}}", 0],
  ["EVAL", "return redis.status_reply(string.rep('x', 100000))", 0],
  ["MULTI"],
  ["INCR", "n"],
  ["INCR", "h"],
  ["EXEC"],
  ["DEBUG", "JMAP"],
  ...KINDS.map((kind) => ["DEBUG", "PROTOCOL", kind]),
  ...["bignum", "true", "false", "verbatim"].map((kind) => ["DEBUG", "PROTOCOL", kind]),
];

Deno.test("ReplyGuard.scan() passes and counts whatever a real server answers", async () => {
  await using server = await RedisServer.start({
    config: { "enable-debug-command": "local", "latency-tracking": "yes" },
  });
  for (const protocol of [2, 3]) {
    await server.cli("FLUSHALL");
    const commands: Args[] = [["HELLO", protocol], ...COMMANDS];
    const { guard, violation } = await scanReplies(server, commands);
    assertEquals(violation, undefined);
    assertEquals([guard.replies, guard.isPartial], [commands.length, false]);
    assert(guard.errors >= 3, `only ${guard.errors} errors`);
  }
});

Deno.test("ReplyGuard.scan() distinguishes the push frames of a real server", async () => {
  await using server = await RedisServer.start({
    config: { "enable-debug-command": "local" },
  });
  const commands: Args[] = [
    ["HELLO", 3],
    ["CLIENT", "TRACKING", "ON"],
    ["SUBSCRIBE", "a", "b"],
    ["PSUBSCRIBE", "p*"],
    ["PUBLISH", "a", "to a"],
    ["PUBLISH", "pq", "to the pattern"],
    ["GET", "k"],
    ["SET", "k", 1],
    ["DEBUG", "PROTOCOL", "push"],
    ["UNSUBSCRIBE"],
    ["PUNSUBSCRIBE"],
    ["UNSUBSCRIBE"],
    ["PING"],
  ];
  // 8 commands are answered by a reply, the others by 2 + 1 + 2 + 1 + 1 confirmations.
  const { guard, violation } = await scanReplies(server, commands, 8 + 7);
  assertEquals(violation, undefined);
  const { replies, confirmations, pushes, errors } = guard;
  assertEquals({ replies, confirmations, errors }, {
    replies: 8,
    confirmations: 7,
    errors: 0,
  });
  assert(pushes >= 4, `only ${pushes} push frames`);
});

Deno.test("ReplyGuard.scan() refuses an attribute, as the parser does not know it", async () => {
  await using server = await RedisServer.start({
    config: { "enable-debug-command": "local" },
  });
  const { violation } = await scanReplies(server, [
    ["HELLO", 3],
    ["DEBUG", "PROTOCOL", "attrib"],
  ]);
  assertMatch(violation!, /unknown type byte 0x7c "\|", an attribute/);
});
