/**
 * Replies have the shapes that ioredis gives them, by every way to send a command, with
 * each setting of protocol and reply_mapping.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import {
  ConfigError,
  type RedisClient,
  RedisConfigLoader,
  type RedisConnectionManager,
} from "../../../mod.ts";
import { withManager } from "../../support/managed.ts";

type Any = Record<string, (...args: unknown[]) => unknown>;
type Send = (name: string, args: unknown[]) => Promise<unknown>;
type Chain = ReturnType<RedisClient["pipeline"]>;

const RESP3 = "redis.setresp(3); return ";

/** Commands whose replies are maps, doubles, sets, booleans, big numbers, verbatim. */
const COMMANDS: [string, unknown[]][] = [
  ["hgetall", ["h"]],
  ["hgetall", ["none"]],
  ["hrandfield", ["one", 1, "WITHVALUES"]],
  ["zscore", ["z", "a"]],
  ["zscore", ["z", "none"]],
  ["zmscore", ["z", "a", "none"]],
  ["zincrby", ["z2", 0.5, "m"]],
  ["zrange", ["z", 0, -1, "WITHSCORES"]],
  ["zrangebyscore", ["z", "-inf", "+inf", "WITHSCORES"]],
  ["zrandmember", ["z1", 1, "WITHSCORES"]],
  ["zadd", ["z2", "INCR", 1, "m"]],
  ["geodist", ["g", "a", "b"]],
  ["geopos", ["g", "a"]],
  ["smembers", ["s"]],
  ["config", ["GET", "maxmemory*"]],
  ["xread", ["STREAMS", "x", "0"]],
  ["xrange", ["x", "-", "+"]],
  ["lcs", ["k1", "k2", "IDX"]],
  ["client", ["TRACKINGINFO"]],
  ["memory", ["DOCTOR"]],
  ["get", ["k1"]],
  ["get", ["none"]],
  ["eval", [`${RESP3}{map={a=1,__proto__='x'}}`, 0]],
  ["eval", [`${RESP3}{double=1.5}`, 0]],
  ["eval", [`${RESP3}{set={a=true}}`, 0]],
  ["eval", [`${RESP3}true`, 0]],
  ["eval", [`${RESP3}false`, 0]],
  ["eval", [`${RESP3}{big_number='12345678901234567890123'}`, 0]],
  ["eval", [`${RESP3}{verbatim_string={format='txt',string='word'}}`, 0]],
  ["eval", [`${RESP3}{map={a={double=2.5},b={map={c=false}}}}`, 0]],
];

/** Without MULTI: what a reply is there comes in an array. */
const WAYS: Record<
  string,
  (
    on: { client: RedisClient; lease: RedisClient; manager: RedisConnectionManager },
  ) => Send
> = {
  method: ({ client }) => (name, args) => call(client, name, args),
  Buffer: ({ client }) => (name, args) => call(client, `${name}Buffer`, args),
  "with()": ({ client }) => (name, args) =>
    call(client.with({ timeoutMs: 9000 }), name, args),
  pipeline: ({ client }) => (name, args) => last(client.pipeline(), name, args),
  multi: ({ client }) => (name, args) => last(client.multi(), name, args),
  lease: ({ lease }) => (name, args) => call(lease, name, args),
  "lease Buffer": ({ lease }) => (name, args) => call(lease, `${name}Buffer`, args),
  "lease pipeline": ({ lease }) => (name, args) => last(lease.pipeline(), name, args),
  "lease multi": ({ lease }) => (name, args) => last(lease.multi(), name, args),
  "manager.pipeline": ({ manager }) => (name, args) =>
    manager.pipeline("main", (chain) => void call(chain, name, args))
      .then((replies) => replies.at(-1)),
  "manager.transaction": ({ manager }) => (name, args) =>
    manager.transaction("main", (tx) => void call(tx, name, args))
      .then((replies) => replies.at(-1)),
};

function call(on: unknown, name: string, args: unknown[]): Promise<unknown> {
  return (on as Any)[name]!(...args) as Promise<unknown>;
}

async function last(chain: unknown, name: string, args: unknown[]): Promise<unknown> {
  const results = await (call(chain, name, args) as unknown as Chain).exec();
  const [error, reply] = results!.at(-1)!;
  if (error) throw error;
  return reply;
}

/** The same way on plain ioredis. */
function plainWay(way: string, plain: Redis): Send {
  if (/multi|transaction/.test(way)) {
    return (name, args) => last(plain.multi(), name, args);
  }
  if (/pipeline/.test(way)) return (name, args) => last(plain.pipeline(), name, args);
  const suffix = way.endsWith("Buffer") ? "Buffer" : "";
  return (name, args) => call(plain, name + suffix, args);
}

async function fill(client: RedisClient): Promise<void> {
  await client.flushdb();
  await client.hset("h", { a: 1, b: 2, constructor: "c" });
  await client.hset("one", "f", "v");
  await client.zadd("z", 1, "a", 2.5, "b", Infinity, "c");
  await client.zadd("z1", 1, "a");
  await client.geoadd("g", 13.36, 38.11, "a", 15.08, 37.5, "b");
  await client.sadd("s", "m");
  await client.xadd("x", "1-1", "f", "v");
  await client.mset({ k1: "ohmytext", k2: "mynewtext" });
}

const SETTINGS = [
  { protocol: "auto", replyMapping: "legacy" },
  { protocol: "auto", replyMapping: "resp3" },
  { protocol: 3, replyMapping: "resp3" },
  { protocol: 2, replyMapping: "legacy" },
] as const;

for (const settings of SETTINGS) {
  const { protocol, replyMapping } = settings;
  Deno.test(`replies have ioredis' shapes by every way: protocol ${protocol}, ${replyMapping}`, () =>
    withManager({ databases: { main: settings } }, async ({ manager, server }) => {
      const plain = new Redis({
        host: server.host,
        port: server.port,
        protocol: protocol === 2 ? 2 : 3,
        replyMapping,
      } as { host: string });
      try {
        const client = manager.getClient("main");
        await using lease = await manager.acquire("main");
        const on = { client, lease: lease.client as RedisClient, manager };
        for (const [way, make] of Object.entries(WAYS)) {
          for (const [name, args] of COMMANDS) {
            await fill(client);
            const theirs = await plainWay(way, plain)(name, args);
            await fill(client);
            const ours = await make(on)(name, args);
            assertEquals(ours, theirs, `${way}: ${name} ${args}`);
          }
        }
      } finally {
        plain.disconnect();
      }
    }));
}

Deno.test("hits and misses, blocking commands and messages are the same with resp3", () =>
  withManager({ databases: { main: { replyMapping: "resp3" } } }, async ({ manager }) => {
    const client = manager.getClient("main");
    await client.zadd("z", 1.5, "a");
    const popped = await client.bzpopmin("z", 1) as unknown;
    assertEquals(popped, ["z", "a", 1.5]);
    await client.set("k", "v");
    await client.get("k");
    await client.get("none");
    const { cacheHits, cacheMisses } = manager.getStatistics();
    assertEquals([cacheHits, cacheMisses], [1, 1]);
    const { promise, resolve } = Promise.withResolvers<string>();
    await using _news = await manager.subscribe("main", ["news"], resolve);
    await client.publish("news", "told");
    assertEquals(await promise, "told");
    assertEquals((await manager.healthCheck()).overallHealthy, true);
  }));

Deno.test("resp3 replies need a protocol that has them", async () => {
  const yamlText = "databases:\n  main:\n    protocol: 2\n    reply_mapping: resp3\n";
  const error = await assertRejects(
    () => RedisConfigLoader.load({ yamlText, env: {} }),
    ConfigError,
  );
  assertEquals(error.message.includes("resp3 needs protocol auto or 3, found 2"), true);
});

Deno.test('getClient<"resp3">() types replies as RESP3 gives them', () =>
  withManager({ replyMapping: "resp3" }, async ({ manager }) => {
    const client = manager.getClient<"resp3">("main");
    await client.zadd("z", 1.5, "a");
    const score: number | null = await client.zscore("z", "a");
    const config: Record<string, string> = await client.config("GET", "maxmemory");
    const scoped: number | null = await client.with({}).zscore("z", "a");
    const ready = await manager.getAsyncClient<"resp3">("main");
    const [member]: [string, number][] = await ready.zrange("z", "0", "-1", "WITHSCORES");
    assertEquals([score, scoped, member], [1.5, 1.5, ["a", 1.5]]);
    assertEquals(config, { maxmemory: "0" });
    // @ts-expect-error Under this mapping a score is a number.
    const text: string | null = await client.zscore("z", "a");
    assertEquals(typeof text, "number");
  }));
