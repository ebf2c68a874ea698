import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Command, Pipeline, Redis } from "ioredis";
import { type CommandRoute, ManagedClient } from "../../../src/commands/client.ts";
import { ManagedCommand } from "../../../src/connection/managed_command.ts";
import { Random } from "../../support/random.ts";

type Methods = Record<string, (...args: unknown[]) => unknown>;
type Queueing = Methods & { _queue: Command[] };

/** What is the same of two commands if they are sent and answered alike. */
function describe(command: Command): unknown {
  const { name, args } = command;
  const { replyEncoding } = command as unknown as { replyEncoding: unknown };
  return { name, args, replyEncoding, keys: command.getKeys(), text: textOf(command) };
}

/** What is sent; of names that begin otherwise, such as scripts, too. */
function textOf(command: Command): unknown {
  return command.toWritable({} as Parameters<Command["toWritable"]>[0]);
}

/** A client that sends nothing, and plain ioredis likewise; both note what they make. */
function makeBoth(decodeResponses = true) {
  const made: Command[] = [];
  const note = (command: Command) => void made.push(command);
  const route: CommandRoute = {
    dispatch: note,
    dispatchBatch: () => {},
    dispatchOnce: () => {},
    whenReady: () => Promise.resolve(),
    readFrom: () => route,
  };
  const config = {
    ...{ name: "main", db: 0, keyPrefix: "p:", mode: "standalone" as const },
    commandTimeoutMs: 5000,
    decodeResponses,
  };
  const client = new ManagedClient(config, route);
  const plain = new Redis({ lazyConnect: true, keyPrefix: "p:" });
  plain.sendCommand = note as Redis["sendCommand"];
  return {
    client: client as unknown as Methods,
    plain: plain as unknown as Methods,
    made,
  };
}

/** Every method of the library that does nothing but send a command. */
function commandMethods(): string[] {
  const library = Object.getPrototypeOf(Redis.prototype);
  const names: string[] = Redis.prototype.getBuiltinCommands();
  return names.flatMap((name) => [name, `${name}Buffer`]).filter((method) =>
    Object.hasOwn(library, method) && !Object.hasOwn(Redis.prototype, method)
  );
}

/** Methods that give a meaning to an object in place of pairs. */
const RECORDS = /^(?:hm?set|msetnx|mset)(?:Buffer)?$/;

/** Arguments that ioredis documents, in random order. */
function legalArguments(random: Random, method: string): unknown[] {
  const one = () =>
    random.pick<unknown>([
      "a",
      "é€",
      "",
      0,
      -1.5,
      1e21,
      Infinity,
      5n,
      true,
      Buffer.from([0xff, 0]),
      Buffer.alloc(0),
    ]);
  if (RECORDS.test(method)) {
    const record = random.pick([{ a: one(), b: one() }, new Map([[one(), one()]])]);
    return method.startsWith("h") ? ["k", record] : [record];
  }
  const args = Array.from({ length: random.below(6) }, one);
  // Lists are flattened once.
  if (random.below(3) === 0) args.splice(random.below(3), 0, [one(), one()]);
  return args;
}

/** Methods whose keys are counted by an argument: ioredis looks for a billion of them. */
const COUNTED = /^(?:b?[lz]mpop|eval|fcall|msetex|[sz](?:diff|inter|union))/;

Deno.test("each method makes the command that ioredis makes, of all that it documents", () => {
  const seed = Number(Deno.env.get("MOORING_PROPERTY_SEED") ?? Date.now());
  const random = new Random(seed);
  const { client, plain, made } = makeBoth();
  const chains = [client.pipeline!(), plain.pipeline!()] as [Queueing, Queueing];
  const methods = commandMethods();
  assert(methods.length > 400, `there are ${methods.length}`);
  for (const method of methods) {
    for (let i = 0; i < 3; i++) {
      const args = legalArguments(random, method);
      if (COUNTED.test(method)) continue;
      client[method]!(...args);
      plain[method]!(...args);
      const pairs = [made.splice(0)];
      // Those of a pipeline that send it, or begin a transaction, are its own.
      if (!Object.hasOwn(Pipeline.prototype, method)) {
        for (const chain of chains) chain[method]!(...args);
        pairs.push(chains.map(({ _queue }) => _queue.at(-1)!));
      }
      const name = method.replace(/Buffer$/, "");
      const call = method === name ? "call" : "callBuffer";
      for (const each of [client, plain]) each[call]!(name, ...args);
      pairs.push(made.splice(0));
      for (const [ours, theirs] of pairs) {
        const what = `${method}, seed ${seed}`;
        // Where keys are missing, ioredis makes some up.
        if (theirs!.args.length > ours!.args.length) continue;
        assertEquals(describe(ours!), describe(theirs!), what);
        assert(ours as unknown instanceof ManagedCommand, what);
      }
    }
  }
});

const MEANINGLESS = [undefined, null, NaN, {}, [["x"]], new Date(), Symbol("x")];

Deno.test("each method refuses what has no meaning wherever it stands, with a prefix too", async () => {
  const { client, made } = makeBoth();
  const chain = client.pipeline!() as Methods & { _queue: Command[] };
  const rejected: Promise<unknown>[] = [];
  for (const method of commandMethods()) {
    for (const [i, bad] of MEANINGLESS.entries()) {
      const args: unknown[] = ["a", 1, "b", Buffer.from("c"), "d"];
      args[i % args.length] = bad;
      client[method]!(...args);
      const commands = [made.pop()!];
      // Of a pipeline that one sends it.
      if (method !== "execBuffer") {
        chain[method]!(...args);
        commands.push(chain._queue.at(-1)!);
      }
      const position = `argument ${i % args.length + 1} is`;
      for (const command of commands) {
        rejected.push(
          assertRejects(() => command.promise, TypeError, position, method),
        );
        assertEquals([command.args, command.getKeys()], [[], []], method);
      }
    }
  }
  await Promise.all(rejected);
});

Deno.test("a method with a callback calls it", async () => {
  const { client, made } = makeBoth();
  const called = new Promise((resolve) =>
    client.get!("k", (_: null, v: unknown) => resolve(v))
  );
  const [command] = made;
  assertEquals(command!.args, ["p:k"]);
  assert(command as unknown instanceof ManagedCommand);
  command!.resolve(Buffer.from("v"));
  assertEquals(await called, "v");
});

Deno.test("without decoding, each method gives Buffers", async () => {
  const { client, made } = makeBoth(false);
  const reply = client.get!("k") as Promise<unknown>;
  made[0]!.resolve(Buffer.from("v"));
  assertEquals(await reply, Buffer.from("v"));
});
