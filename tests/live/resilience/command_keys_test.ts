import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { flagsOf } from "../../../src/connection/command_arguments.ts";
import { Command } from "../../../src/connection/ioredis.ts";
import { CommandClassifier } from "../../../src/resilience/command_class.ts";
import { EXTRA_COMMANDS } from "../../../src/resilience/extra_commands.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespError, type RespValue } from "../../../src/testing/resp_parser.ts";

/** Calls of commands whose keys depend on their arguments. */
const CALLS = [
  "EVAL s 2 a b c",
  "EVALSHA s 0 a",
  "EVAL_RO s 1 a",
  "EVALSHA_RO s 1 a",
  "FCALL f 2 a b",
  "FCALL_RO f 1 a",
  "SORT a STORE b",
  "SORT a LIMIT 0 1 store b",
  "SORT_RO a",
  "ZUNIONSTORE a 2 b c WEIGHTS 1 2",
  "ZINTERSTORE a 1 b",
  "ZDIFFSTORE a 2 b c",
  "ZUNION 2 a b",
  "ZINTER 1 a",
  "ZDIFF 2 a b",
  "ZINTERCARD 2 a b LIMIT 1",
  "SINTERCARD 2 a b",
  "LMPOP 2 a b LEFT",
  "BLMPOP 0 2 a b LEFT",
  "ZMPOP 1 a MIN",
  "BZMPOP 0 1 a MIN",
  "XREAD COUNT 1 STREAMS a b 0 0",
  "XREADGROUP GROUP g c COUNT 1 STREAMS a b > >",
  "XREADGROUP GROUP STREAMS c STREAMS a >",
  "MIGRATE h 1 a 0 10",
  "GEORADIUS a 0 0 1 m STORE b",
  "GEORADIUS a 0 0 1 m STOREDIST b",
  "GEORADIUSBYMEMBER a m 1 km STORE b",
  "MSETEX 2 a 1 b 2",
  "BITOP AND a b c",
  "COPY a b",
  "LCS a b",
  "SMOVE a b m",
  "RENAME a b",
  "DELIFEQ a v",
  "MEMORY USAGE a",
  "OBJECT ENCODING a",
  "XINFO STREAM a",
  "XGROUP CREATE a g $",
  "VADD a VALUES 2 1 1 e",
  "VSIM a ELE e",
];

const classifier = new CommandClassifier(flagsOf);

/** The keys of a call as a client with a key prefix would send them. */
function keysOf(name: string, args: (string | Buffer)[]): string[] | undefined {
  const info = classifier.resolve(name, args);
  if (info.keys === "server") return undefined;
  if (info.keys === "table") {
    const places = EXTRA_COMMANDS.get(info.name.split("|")[0]!)!.places(args);
    return places?.keys.map((i) => String(args[i]));
  }
  return new Command(name, args).getKeys().map(String);
}

async function serverKeys(
  server: RedisServer,
  call: readonly string[],
): Promise<string[] | undefined> {
  const reply = await server.cli("COMMAND", "GETKEYS", ...call);
  if (!(reply instanceof RespError)) return (reply as unknown[]).map(String);
  return reply.message.includes("no key arguments") ? [] : undefined;
}

/** A call of each command whose keys are at fixed places. */
async function plainCalls(server: RedisServer): Promise<string[][]> {
  const calls: string[][] = [];
  const add = (entries: RespValue[]) => {
    for (const entry of entries as RespValue[][]) {
      const [name, arity, , first, last, step] = entry;
      const words = String(name).split("|");
      const count = Math.abs(Number(arity)) + (Number(arity) < 0 ? 2 * Number(step) : 0);
      const args = Array.from({ length: count - words.length }, (_, i) => `${i + 1}`);
      if (Number(first) > 0 && Number(last) !== 0) calls.push([...words, ...args]);
      add((entry[9] ?? []) as RespValue[]);
    }
  };
  add(await server.cli("COMMAND") as RespValue[]);
  return calls;
}

Deno.test("the keys that get a prefix are those that the server names, of every command it has", async () => {
  await using server = await RedisServer.start();
  let compared = 0;
  for (const call of [...await plainCalls(server), ...CALLS.map((c) => c.split(" "))]) {
    const [name = "", ...args] = call;
    const expected = await serverKeys(server, call);
    // A call that the server refuses, or whose keys it is asked for.
    if (expected === undefined) continue;
    for (const asSent of [args, args.map((arg) => Buffer.from(arg))]) {
      const keys = keysOf(name, asSent);
      if (keys === undefined) continue;
      compared++;
      const isChannel = ["spublish", "ssubscribe", "sunsubscribe"]
        .includes(name.toLowerCase());
      // A shard channel says the slot as a key does, and the server calls it none.
      if (!isChannel) assertEquals([call.join(" "), keys], [call.join(" "), expected]);
    }
  }
  assert(compared > 300, `only ${compared}`);
});
