import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Command, Redis } from "ioredis";
import { ManagedClient } from "../../../src/commands/client.ts";
import { ManagedCommand } from "../../../src/connection/managed_command.ts";

type Methods = Record<string, (...args: unknown[]) => unknown>;

/** What is the same of two commands if they are sent and answered alike. */
function describe(command: Command): unknown {
  const { name, args } = command;
  const { replyEncoding } = command as unknown as { replyEncoding: unknown };
  return { name, args, replyEncoding, keys: command.getKeys() };
}

/** A client that sends nothing, and plain ioredis likewise; both note what they make. */
function makeBoth(decodeResponses = true) {
  const made: Command[] = [];
  const note = (command: Command) => void made.push(command);
  const route = {
    dispatch: note,
    dispatchBatch: () => {},
    whenReady: () => Promise.resolve(),
  };
  const client = new ManagedClient({
    database: "main",
    db: 0,
    keyPrefix: "p:",
    decodeResponses,
    route,
  });
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

Deno.test("each method of a client makes the command that ioredis makes", () => {
  const { client, plain, made } = makeBoth();
  const methods = commandMethods();
  assert(methods.length > 400, `there are ${methods.length}`);
  for (const method of methods) {
    const args = () => ["a", 1, "b", Buffer.from("c"), ["d"]];
    client[method]!(...args());
    plain[method]!(...args());
    const [ours, theirs] = made.splice(0);
    assertEquals(describe(ours!), describe(theirs!), method);
    assert(ours instanceof ManagedCommand, method);
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
