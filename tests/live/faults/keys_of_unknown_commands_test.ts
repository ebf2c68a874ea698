import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CommandRefusedError, RedisConnectionManager } from "../../../mod.ts";
import { EXTRA_COMMANDS } from "../../../src/resilience/extra_commands.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { FakeModule, type SeenCommand } from "../../support/fake_module.ts";
import { withManager } from "../../support/managed.ts";
import { report } from "./_report.ts";

const PREFIX = { keyPrefix: "app:", databases: { main: { db: 0 } } };

/** Calls of commands that the client library does not know, and what the server is to see. */
const CALLS: readonly [call: string, seen: string][] = [
  ["DELIFEQ k v", "DELIFEQ app:k v"],
  ["JSON.SET k $ {}", "JSON.SET app:k $ {}"],
  ["json.get k $", "json.get app:k $"],
  ["JSON.MGET k l $.a", "JSON.MGET app:k app:l $.a"],
  ["JSON.MSET k $ 1 l $ 2", "JSON.MSET app:k $ 1 app:l $ 2"],
  ["JSON.DEBUG MEMORY k", "JSON.DEBUG MEMORY app:k"],
  ["JSON.DEBUG HELP", "JSON.DEBUG HELP"],
  ["BF.ADD k v", "BF.ADD app:k v"],
  ["BF.INSERT k ITEMS k l", "BF.INSERT app:k ITEMS k l"],
  ["CF.COUNT k v", "CF.COUNT app:k v"],
  ["CMS.MERGE k 2 l m WEIGHTS 1 2", "CMS.MERGE app:k 2 app:l app:m WEIGHTS 1 2"],
  ["TOPK.ADD k a b", "TOPK.ADD app:k a b"],
  ["TDIGEST.MERGE k 1 l OVERRIDE", "TDIGEST.MERGE app:k 1 app:l OVERRIDE"],
  ["TS.MADD k 1 2 l 3 4", "TS.MADD app:k 1 2 app:l 3 4"],
  [
    "TS.CREATERULE k l AGGREGATION avg 5",
    "TS.CREATERULE app:k app:l AGGREGATION avg 5",
  ],
  ["TS.MRANGE - + FILTER k=l", "TS.MRANGE - + FILTER k=l"],
  ["FT.SEARCH idx k", "FT.SEARCH idx k"],
  [
    "FT.CREATE idx ON HASH PREFIX 2 k: l: SCHEMA prefix TEXT",
    "FT.CREATE idx ON HASH PREFIX 2 app:k: app:l: SCHEMA prefix TEXT",
  ],
  ["FT.SUGADD k v 1", "FT.SUGADD app:k v 1"],
  ["FT.DEL idx k", "FT.DEL idx app:k"],
  ["GRAPH.QUERY k MATCH", "GRAPH.QUERY app:k MATCH"],
  ["SORT k BY w_* GET # STORE l", "SORT app:k BY app:w_* GET # STORE app:l"],
  [
    "MIGRATE h 1  0 10 COPY KEYS k l",
    "MIGRATE h 1  0 10 COPY KEYS app:k app:l",
  ],
];

Deno.test("keys of commands that the client library does not know get the key prefix: client, pipeline, MULTI, transaction, lease", async () => {
  await using module = await FakeModule.start();
  const { host, port } = module;
  await using manager = new RedisConnectionManager({ host, port, ...PREFIX });
  const client = manager.getClient("main");
  await using lease = await manager.acquire("main");
  const ways: [string, (name: string, args: string[]) => Promise<unknown>][] = [
    ["client", (name, args) => client.call(name, args)],
    ["execute", (name, args) => manager.execute("main", name, ...args)],
    ["pipeline", (name, args) => client.pipeline().call(name, args).exec()],
    ["MULTI", (name, args) => client.multi().call(name, args).exec()],
    ["batch", (name, args) => manager.pipeline("main", (p) => void p.call(name, args))],
    [
      "transaction",
      (name, args) => manager.transaction("main", (tx) => void tx.call(name, args)),
    ],
    ["lease", (name, args) => lease.client.call(name, args)],
    ["bytes", (name, args) => client.call(name, args.map(toBytes))],
  ];
  for (const [way, send] of ways) {
    for (const [call, seen] of CALLS) {
      const [name = "", ...args] = call.split(" ");
      module.seen.length = 0;
      await send(name, args);
      const own = module.seen.filter((each) => !isOurs(each));
      assertEquals([way, own.map((each) => each.join(" "))], [way, [seen]]);
    }
  }
  // An index without PREFIX would hold every key of the server.
  const create = () => client.call("FT.CREATE", "idx", "SCHEMA", "a", "TEXT");
  assertStringIncludes(
    (await assertRejects(create, CommandRefusedError)).message,
    "PREFIX",
  );
  await report({
    row: 61,
    fault: "commands that the client library does not know, under a key prefix",
    outcome: `${CALLS.length} commands in ${ways.length} ways: no bare key`,
  });
});

/** The library takes an empty key for one if it is given as bytes; MIGRATE refuses that. */
function toBytes(arg: string): string | Buffer {
  return arg === "" ? arg : Buffer.from(arg);
}

function isOurs([name = ""]: SeenCommand): boolean {
  const ours = ["multi", "exec", "hello", "client", "select", "ping", "info"];
  return ours.includes(name.toLowerCase());
}

Deno.test("the server is asked for keys that the table does not know: once a command, once a kind of arguments", async () => {
  await using module = await FakeModule.start({
    "my.set": { flags: ["write"], first: 1, last: 1, step: 1 },
    "my.all": { flags: ["readonly"], first: 1, last: -1, step: 2 },
    "my.none": { flags: ["readonly"], first: 0, last: 0, step: 0 },
    "my.store": {
      flags: ["write", "movablekeys"],
      first: 0,
      last: 0,
      step: 0,
      keys: (args) => args.filter((_, i) => args[i - 1] === "STORE" || i === 0),
    },
  });
  const { host, port } = module;
  await using manager = new RedisConnectionManager({ host, port, ...PREFIX });
  const client = manager.getClient("main");
  const rounds = [
    ["my.set k v", "my.set app:k v"],
    ["my.all k v l w", "my.all app:k v app:l w"],
    ["my.none k", "my.none k"],
    ["my.store user:1 STORE user:2", "my.store app:user:1 STORE app:user:2"],
    ["my.store user:3 STORE user:4", "my.store app:user:3 STORE app:user:4"],
    ["my.store user:1 OTHER user:2", "my.store app:user:1 OTHER user:2"],
    ["my.store alpha alpha STORE dest", "refused"],
  ];
  for (let round = 0; round < 2; round++) {
    module.seen.length = 0;
    for (const [call = "", expected = ""] of rounds) {
      const [name = "", ...args] = call.split(" ");
      const sent = client.call(name, args);
      // What is called behind it comes behind it.
      const behind = client.get("behind");
      const seen = await sent.then(
        () => module.seen.filter(([name]) => name !== "command").at(-2)!.join(" "),
        (error) => error instanceof CommandRefusedError ? "refused" : String(error),
      );
      await behind;
      assertEquals(seen, expected);
    }
  }
  const questions = module.seen.filter(([name]) => name === "command");
  // Only what the server could not tell is asked again.
  assertEquals(questions.map((each) => each.slice(0, 3).join(" ")), [
    "command GETKEYS my.store",
  ]);
});

Deno.test("a command whose keys nobody knows is refused with advice, and nothing of its batch is sent", async () => {
  await using module = await FakeModule.start({});
  const { host, port } = module;
  await using manager = new RedisConnectionManager({ host, port, ...PREFIX });
  const client = manager.getClient("main");
  const call = () => client.call("NO.SUCH", "k");
  const error = await assertRejects(call, CommandRefusedError);
  assertStringIncludes(
    error.message,
    "it is not known which of its arguments are keys (the server does not know the " +
      "command either): use a database without key_prefix for it",
  );
  const batch = await manager.pipeline(
    "main",
    (p) => void p.set("a", 1).call("NO.SUCH", "k"),
    { settle: true },
  );
  assert(batch.every((each) => (each as { ok: boolean }).ok === false));
  for (
    const call of [
      () => manager.transaction("main", (tx) => void tx.set("a", 1).call("NO.SUCH", "k")),
      async () => {
        await using lease = await manager.acquire("main");
        await lease.client.call("NO.SUCH", "k");
      },
    ]
  ) {
    const error = await assertRejects(call, CommandRefusedError);
    assertStringIncludes(error.message, "call it on the client once");
  }
  const names = module.seen.map(([name]) => name!.toLowerCase());
  assert(!names.includes("no.such") && !names.includes("set"), names.join(" "));
  // Without a prefix the server answers for itself.
  await using bare = new RedisConnectionManager({
    host,
    port,
    databases: { main: { db: 0 } },
  });
  await assertRejects(
    () => bare.getClient("main").call("NO.SUCH", "k"),
    Error,
    "unknown",
  );
});

async function serverCommands(server: RedisServer): Promise<string[]> {
  const names = await server.cli("COMMAND", "LIST");
  return (names as unknown[]).map((name) => String(name).toLowerCase());
}

Deno.test("on a real server no command touches a bare key under a key prefix", async () => {
  await withManager(PREFIX, async ({ server, manager }) => {
    const client = manager.getClient("main");
    const known = new Set(await serverCommands(server));
    await server.cli("SET", "k", "v");
    await client.set("k", "v");
    if (known.has("delifeq")) {
      assertEquals(await client.call("DELIFEQ", "k", "v"), 1);
      assertEquals(await server.cli("EXISTS", "k", "app:k"), 1);
    }
    if (known.has("vadd")) {
      await client.call("VADD", "vec", "VALUES", "2", "1", "0", "a");
      assertEquals(await server.cli("EXISTS", "vec", "app:vec"), 1);
      assertEquals(await server.cli("EXISTS", "vec"), 0);
    }
    assertEquals(await server.cli("GET", "k"), "v");
    // A subcommand that the library does not know.
    await assertRejects(() => client.call("OBJECT", "NOSUCH", "k"), CommandRefusedError);
  });
});

Deno.test("in a cluster commands of the table go right at once, in order, and what nobody knows is refused", async () => {
  await using cluster = await ClusterTopology.start();
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: { db: 0 } },
  });
  const client = manager.getClient("main");
  await client.set("k", 1);
  const known = new Set(await serverCommands(cluster.nodes[0]!));
  for (let i = 0; i < 20; i++) {
    const key = `key:${i}`;
    if (known.has("delifeq")) {
      const [, deleted, after] = await Promise.all([
        client.set(key, "v"),
        client.call("DELIFEQ", key, "v"),
        client.get(key),
      ]);
      assertEquals([deleted, after], [1, null]);
    } else {
      const wrong = await client.call("DELIFEQ", key, "v").catch((error) => error);
      assertStringIncludes(String(wrong), "unknown command");
    }
  }
  const { redirects } = manager.getStatistics().databaseStats.main!;
  assertEquals(redirects, 0);
  await assertRejects(() => client.call("NO.SUCH", "k"), CommandRefusedError);
});

Deno.test("EXTRA_COMMANDS finds keys at indexes, however few arguments there are", () => {
  for (const [name, { places }] of EXTRA_COMMANDS) {
    for (const args of [[], ["a"], ["a", "1", "b"], ["a", "b", "c", "d", "e", "f"]]) {
      const { keys = [], patterns = [] } = places(args) ?? {};
      for (const i of [...keys, ...patterns]) assert(Number.isInteger(i) && i >= 0, name);
    }
  }
});
