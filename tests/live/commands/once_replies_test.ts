/**
 * Every write command of ioredis' table gives the same reply as a write that runs once: of its
 * run, and remembered, after the first reply was swallowed.
 */
import { assert, assertEquals } from "@std/assert";
import { hasFlag, list } from "@ioredis/commands";
import { type IORedis, type RedisClient, RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";

type Call = readonly [name: string, ...args: (string | number | Uint8Array)[]];

/** Keys of every kind, written by plain clients before each round. */
const SETUP: readonly Call[] = [
  ["set", "text", "value"],
  ["set", "bytes", Uint8Array.of(255, 0, 13, 10, 128)],
  ["set", "number", 7],
  ["set", "float", "1.5"],
  ["set", "large", "9007199254740991"],
  ["rpush", "list", "a", "b", "c", "d"],
  ["rpush", "words", "b", "a", "none"],
  ["set", "w_a", "1"],
  ["set", "w_b", "2"],
  ["sadd", "set", "a"],
  ["sadd", "sets", "a", "b"],
  ["zadd", "zset", "1", "a", "2.25", "b", "inf", "c"],
  ["zadd", "zsets", "1", "a", "3", "x"],
  ["hset", "hash", "f", "v", "n", "5", "e", ""],
  ["geoadd", "geo", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "X"],
  ["pfadd", "hll", "a", "b"],
  ["xadd", "stream", "1-1", "f", "v"],
  ["xadd", "stream", "1-2", "f", "w", "g", "x"],
  ["xgroup", "create", "stream", "group", "0"],
  ["xreadgroup", "group", "group", "one", "count", "1", "streams", "stream", ">"],
  ["xadd", "gone", "1-1", "f", "v"],
  ["xgroup", "create", "gone", "group", "0"],
  ["xreadgroup", "group", "group", "one", "streams", "gone", ">"],
  ["xdel", "gone", "1-1"],
];

/** Calls that mean something, by command; each is made with {@linkcode SETUP} before. Every
 * command is also called with {@linkcode GENERIC} arguments. */
const CALLS: readonly Call[] = [
  ["append", "text", "é"],
  ["append", "bytes", Uint8Array.of(0, 254)],
  ["bitfield", "bits", "set", "u8", 0, 200, "get", "u4", 0],
  ["bitfield", "bits", "overflow", "fail", "incrby", "u2", 0, 9, "incrby", "u2", 2, 1],
  ["bitop", "and", "dest", "text", "number"],
  ["copy", "text", "copy"],
  ["copy", "text", "number"],
  ["copy", "text", "number", "replace"],
  ["decr", "number"],
  ["decrby", "number", 3],
  ["del", "text", "number", "none"],
  ["expire", "text", 100],
  ["expire", "text", -1],
  ["expireat", "text", 33177117420],
  ["flushall"],
  ["flushdb", "async"],
  ["geoadd", "geo", "ch", "13.5", "38", "Palermo", "13", "38", "new"],
  ["georadius", "geo", 15, 37, 200, "km", "store", "dest"],
  ["georadius", "geo", 15, 37, 200, "km", "withdist", "withcoord"],
  ["georadiusbymember", "geo", "X", 200, "km", "asc"],
  ["geosearchstore", "dest", "geo", "fromlonlat", 15, 37, "byradius", 200, "km"],
  ["getdel", "bytes"],
  ["getdel", "none"],
  ["getex", "text", "ex", 100],
  ["getset", "text", "new"],
  ["hdel", "hash", "f", "none"],
  ["hexpire", "hash", 100, "fields", 2, "f", "none"],
  ["hgetdel", "hash", "fields", 2, "none", "f"],
  ["hgetex", "hash", "ex", 10, "fields", 2, "none", "f"],
  ["hincrby", "hash", "n", 2],
  ["hincrbyfloat", "hash", "n", "0.1"],
  ["hmset", "hash", "a", "1"],
  ["hpersist", "hash", "fields", 2, "f", "none"],
  ["hset", "hash", "f", "new", "g", "new"],
  ["hsetex", "hash", "ex", 10, "fields", 1, "f", "new"],
  ["hsetnx", "hash", "f", "new"],
  ["incr", "number"],
  ["incr", "text"],
  ["incr", "large"],
  ["incrby", "number", -100],
  ["incrbyfloat", "float", "0.1"],
  ["linsert", "list", "before", "b", "x"],
  ["lmove", "list", "words", "left", "right"],
  ["lmpop", 2, "none", "list", "left", "count", 2],
  ["lpop", "list"],
  ["lpop", "list", 2],
  ["lpop", "none", 2],
  ["lpush", "list", "x", "y"],
  ["lpushx", "none", "x"],
  ["lrem", "list", 1, "a"],
  ["lset", "list", 0, "x"],
  ["lset", "list", 10, "x"],
  ["ltrim", "list", 1, 2],
  ["move", "text", 9],
  ["mset", "text", "1", "number", "2"],
  ["msetnx", "text", "1", "fresh", "2"],
  ["persist", "text"],
  ["pexpire", "text", 100_000],
  ["pexpireat", "text", 33177117420000],
  ["pfadd", "hll", "c"],
  ["pfmerge", "dest", "hll"],
  ["psetex", "text", 100_000, "new"],
  ["publish", "channel", "message"],
  ["rename", "text", "renamed"],
  ["rename", "none", "renamed"],
  ["renamenx", "text", "number"],
  ["restore", "restored", 0, Uint8Array.of(0, 192, 1, 11, 0)],
  ["rpop", "list", 9],
  ["rpoplpush", "list", "words"],
  ["rpush", "list", "x"],
  ["rpushx", "list", "x"],
  ["sadd", "set", "a", "b"],
  ["sdiffstore", "dest", "sets", "set"],
  ["set", "text", "new", "get"],
  ["set", "text", "new", "nx"],
  ["set", "none", "new", "xx", "get"],
  ["set", "bytes", Uint8Array.of(1, 254), "get"],
  ["setbit", "bits", 7, 1],
  ["setex", "text", 100, "new"],
  ["setnx", "text", "new"],
  ["setrange", "text", 2, "xx"],
  ["sinterstore", "dest", "sets", "set"],
  ["smove", "set", "sets", "a"],
  ["sort", "words", "alpha", "get", "w_*", "get", "#"],
  ["sort", "words", "alpha", "store", "dest"],
  ["spop", "set"],
  ["spop", "set", 3],
  ["spop", "none", 3],
  ["spublish", "channel", "message"],
  ["srem", "sets", "a", "none"],
  ["sunionstore", "dest", "sets", "set"],
  ["unlink", "text", "none"],
  ["xack", "stream", "group", "1-1"],
  ["xadd", "stream", "2-1", "f", "v"],
  ["xadd", "stream", "1-1", "f", "v"],
  ["xadd", "none", "nomkstream", "2-1", "f", "v"],
  ["xautoclaim", "stream", "group", "two", 0, "0-0"],
  ["xautoclaim", "gone", "group", "two", 0, "0-0", "justid"],
  ["xclaim", "stream", "group", "two", 0, "1-1"],
  ["xclaim", "gone", "group", "two", 0, "1-1"],
  ["xdel", "stream", "1-1", "9-9"],
  ["xgroup", "create", "stream", "other", "$"],
  ["xgroup", "create", "stream", "group", "$"],
  ["xgroup", "createconsumer", "stream", "group", "three"],
  ["xgroup", "delconsumer", "stream", "group", "one"],
  ["xgroup", "destroy", "stream", "group"],
  ["xgroup", "setid", "stream", "group", "0"],
  ["xreadgroup", "group", "group", "one", "streams", "stream", ">"],
  ["xreadgroup", "group", "group", "one", "streams", "stream", "gone", "0", "0"],
  ["xreadgroup", "group", "group", "one", "streams", "gone", ">"],
  ["xsetid", "stream", "9-1"],
  ["xtrim", "stream", "maxlen", 1],
  ["zadd", "zset", "ch", "7", "a", "8", "new"],
  ["zadd", "zset", "incr", "0.1", "a"],
  ["zadd", "zset", "nx", "incr", "1", "a"],
  ["zdiffstore", "dest", 2, "zset", "zsets"],
  ["zincrby", "zset", "0.1", "a"],
  ["zincrby", "zset", "-inf", "c"],
  ["zinterstore", "dest", 2, "zset", "zsets"],
  ["zmpop", 1, "zset", "max", "count", 2],
  ["zmpop", 1, "none", "max"],
  ["zpopmax", "zset"],
  ["zpopmin", "zset", 2],
  ["zpopmin", "none"],
  ["zrangestore", "dest", "zset", 0, 1],
  ["zrem", "zset", "a", "none"],
  ["zremrangebylex", "zset", "[a", "[b"],
  ["zremrangebyrank", "zset", 0, 0],
  ["zremrangebyscore", "zset", 0, 2],
  ["zunionstore", "dest", 2, "zset", "zsets", "weights", 2, 1],
];

/** Arguments for every command, right or not: what the server says of them is the same. */
const GENERIC: readonly Call[1][][] = [
  [],
  ["none"],
  ["text", "x"],
  ["number", 1],
  ["list", 0, "x"],
  ["hash", "f", 1],
  ["zset", 1, "a", "x"],
];

/** What SWAPDB and others would do to the other client's data, or to the server. */
const NOT_COMPARED: ReadonlySet<string> = new Set([
  "swapdb",
  "migrate",
  "restore-asking",
]);

/** Writes of the table that scripts may run, and what else changes something. */
const WRITES: readonly string[] = [
  ...list.filter((name) =>
    hasFlag(name, "write") && !hasFlag(name, "noscript") && !hasFlag(name, "blocking") &&
    !NOT_COMPARED.has(name)
  ),
  ...["publish", "spublish", "xgroup"],
];

const CUT = { kind: "cut", afterBytes: 0, how: "reset" } as const;

async function outcomeOf(client: IORedis, [name, ...args]: Call): Promise<unknown> {
  const [command, ...rest] = [name, ...args] as [string, ...string[]];
  try {
    return { reply: await client.callBuffer(command, ...rest) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

async function set(client: IORedis): Promise<void> {
  const pipeline = client.pipeline();
  pipeline.flushdb();
  for (const [name, ...args] of SETUP) pipeline.call(name, ...(args as string[]));
  await pipeline.exec();
}

/** All keys with what they hold; of streams, whose consumers have times, the length. */
async function contents(client: RedisClient): Promise<unknown> {
  const keys = (await client.keys("*")).filter((key) => !key.startsWith("mooring:"));
  return await Promise.all(
    keys.sort().map(async (key) => {
      switch (await client.type(key)) {
        case "stream":
          return [key, await client.xlen(key)];
        case "set":
          return [key, (await client.smembers(key)).sort()];
        case "hash": // A field's time to live is there as a time.
          return [key, await client.hgetallBuffer(key)];
        default:
          return [key, await client.dumpBuffer(key)];
      }
    }),
  );
}

const KINDS = [
  { name: "RESP2", settings: { protocol: 2 } },
  { name: "RESP3", settings: { protocol: 3 } },
  { name: "RESP3 types", settings: { protocol: 3, replyMapping: "resp3" } },
] as const;

/** Two servers: one for plain writes, one for those that run once. */
async function withTwo(
  settings: (typeof KINDS)[number]["settings"],
  test: (plain: RedisClient, once: RedisClient, relay: FaultProxy) => Promise<void>,
): Promise<void> {
  await using first = await RedisServer.start();
  await using second = await RedisServer.start();
  await using relay = await FaultProxy.start({ to: second });
  await using manager = new RedisConnectionManager({
    ...settings,
    // Each reply that is swallowed is a failed connection and a retry.
    circuitBreakerThreshold: 1_000_000,
    retryBudget: { ratio: 10, minPerSecond: 100 },
    databases: {
      plain: { db: 1, host: first.host, port: first.port },
      once: { db: 1, host: relay.host, port: relay.port },
    },
  });
  const clients = [manager.getClient("plain"), manager.getClient("once")] as const;
  await test(...clients, relay);
}

for (const { name, settings } of KINDS) {
  Deno.test(`${name}: writes that run once reply as the plain ones do`, () =>
    withTwo(settings, async (plain, client) => {
      const once = client.with({ once: true });
      const calls = [
        ...CALLS,
        ...WRITES.flatMap((write) => GENERIC.map((args): Call => [write, ...args])),
      ];
      let replies = 0;
      for (const call of calls) {
        await Promise.all([set(plain), set(client)]);
        const [expected, actual] = await Promise.all([
          outcomeOf(plain, call),
          outcomeOf(once, call),
        ]);
        assertEquals(actual, expected, Deno.inspect(call));
        if (Object.hasOwn(actual as object, "reply")) replies++;
      }
      assert(replies > 200, `${replies} of ${calls.length} calls had a reply`);
      const known = new Set(CALLS.map(([command]) => command));
      const untold = WRITES.filter((write) => !known.has(write));
      // What the servers of these tests do not know, or takes modules, has no call of its own.
      assert(untold.length < 45, untold.join());
    }));

  Deno.test(`${name}: so do remembered replies, and what they did was done once`, () =>
    withTwo(settings, async (plain, client, relay) => {
      const once = client.with({ once: true });
      for (const call of CALLS) {
        await Promise.all([set(plain), set(client)]);
        const expected = await outcomeOf(plain, call);
        // The server has said which it is.
        await once.del("none");
        const cut = relay.connections.at(-1)!;
        cut.set({ toClient: CUT });
        assertEquals(await outcomeOf(once, call), expected, Deno.inspect(call));
        assert(relay.connections.at(-1) !== cut, "the reply was swallowed");
        if (call[0].startsWith("flush")) continue;
        assertEquals(await contents(client), await contents(plain), Deno.inspect(call));
      }
    }));
}
