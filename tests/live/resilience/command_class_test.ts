import { assert, assertEquals } from "@std/assert";
import { WAIT_CHANNEL } from "../../../src/commands/wait_barrier.ts";
import {
  blockingTimeoutMs,
  CommandClassifier,
} from "../../../src/resilience/command_class.ts";
import { STATEFUL, SUBSCRIBING } from "../../../src/resilience/command_table.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import type { RespValue } from "../../../src/testing/resp_parser.ts";
import { startReplicated } from "../../support/replicated.ts";

/** Subcommands of CLIENT that Redis 7.0 does not have, or Redis or Valkey has alone. */
const LATER_CLIENT: ReadonlySet<string> = new Set(
  ["no-touch", "setinfo", "capa", "import-source"].map((name) => `client|${name}`),
);

/** Every command of the server and its flags; subcommands as `container|name`. */
async function commandFlags(server: RedisServer): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const add = (entries: RespValue[]) => {
    for (const entry of entries as RespValue[][]) {
      found.set(String(entry[0]).toLowerCase(), (entry[2] as RespValue[]).map(String));
      add((entry[9] ?? []) as RespValue[]);
    }
  };
  add(await server.cli("COMMAND") as RespValue[]);
  return found;
}

Deno.test("CommandClassifier agrees with a real server on every command it has", async () => {
  await using server = await RedisServer.start();
  const flags = await commandFlags(server);
  assert(flags.size > 300, `only ${flags.size} commands`);
  const commands = new CommandClassifier((name) => flags.get(name));
  for (const [name, own] of flags) {
    const [command, ...args] = name.split("|");
    const info = commands.resolve(command!, args);
    assert(!(own.includes("write") && info.isRead), `${name} writes`);
    const isRead = own.includes("readonly") && name !== "xreadgroup";
    assert(!isRead || info.isRead, `${name} reads`);
    const isPubsub = name.endsWith("subscribe");
    assertEquals([name, info.class === "subscribe"], [name, isPubsub]);
    // The two that block only if asked to are judged by their arguments.
    // Redis 7.0 does not flag WAIT, later ones do.
    const blocks = name === "wait" ||
      own.includes("blocking") && !name.startsWith("xread");
    assertEquals([name, info.class === "blocking"], [name, blocks]);
  }
});

Deno.test("CommandClassifier knows all commands that the server keeps out of scripts for changing the connection", async () => {
  await using server = await RedisServer.start();
  const flags = await commandFlags(server);
  const commands = new CommandClassifier((name) => flags.get(name));
  // Administration that concerns the server, and scripts themselves, stay.
  const others = new Set([
    ...["bgrewriteaof", "bgsave", "debug", "failover", "replicaof", "role", "save"],
    ...["shutdown", "slaveof", "eval", "eval_ro", "evalsha", "evalsha_ro", "fcall"],
    ...["fcall_ro"],
  ]);
  for (const [name, own] of flags) {
    if (!own.includes("noscript") || name.includes("|") || others.has(name)) continue;
    const { class: kind } = commands.lookup(name);
    if (kind === "blocking") continue;
    assert(kind === "stateful" || kind === "subscribe", `${name} is ${kind}`);
  }
  for (const name of [...STATEFUL.keys(), ...SUBSCRIBING.keys()]) {
    if (flags.has(name)) continue;
    const isLater = name.startsWith("himport|") || LATER_CLIENT.has(name);
    assert(isLater, `the server does not know ${name}`);
  }
});

Deno.test("blockingTimeoutMs() says how long a real server blocks", async () => {
  await using server = await RedisServer.start();
  await server.cli("XADD", "s", "*", "a", "b");
  await server.cli("XGROUP", "CREATE", "s", "g", "$");
  const commands: (string | number)[][] = [
    ["BLPOP", "q", "0.15"],
    ["BRPOP", "q", "r", "0.15"],
    ["BLMOVE", "q", "r", "LEFT", "LEFT", "0.15"],
    ["BRPOPLPUSH", "q", "r", "0.15"],
    ["BZPOPMIN", "z", "0.15"],
    ["BZPOPMAX", "z", "0.15"],
    ["BLMPOP", "0.15", 1, "q", "LEFT"],
    ["BZMPOP", "0.15", 1, "z", "MIN"],
    ["WAIT", 1, 150],
    ["XREAD", "COUNT", 1, "BLOCK", 150, "STREAMS", "s", "$"],
    ["XREADGROUP", "GROUP", "g", "block", "BLOCK", 150, "STREAMS", "s", ">"],
  ];
  await Promise.all(commands.map(async ([name, ...args]) => {
    using client = await server.connect();
    await client.send("SET", "k", 1);
    const start = performance.now();
    await client.send(name!, ...args);
    const took = performance.now() - start;
    const expected = blockingTimeoutMs(String(name), args);
    assertEquals([name, expected], [name, 150]);
    assert(took > 130 && took < 30_000, `${name} took ${took} ms`);
  }));
});

Deno.test("WAIT speaks of all writes of the server when its connection has published before", async () => {
  await using servers = await startReplicated();
  const { primary, replica } = servers;
  using writer = await primary.connect();
  using other = await primary.connect();
  await writer.send("SET", "k", 1);
  assertEquals(await writer.send("WAIT", 1, 30_000), 1);
  replica.pause();
  await writer.send("SET", "k", 2);
  assertEquals(await writer.send("WAIT", 1, 200), 0);
  assertEquals(await other.send("WAIT", 1, 200), 1, "it knows nothing of the write");
  // Any other command would do for Redis 7 and Valkey 8.0, and for nothing later.
  await other.send("PUBLISH", WAIT_CHANNEL, "");
  assertEquals(await other.send("WAIT", 1, 200), 0);
  replica.resume();
});
