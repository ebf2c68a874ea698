import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Command } from "ioredis";
import { ManagedCommand } from "../../../src/connection/managed_command.ts";
import { type CommandOwner, track } from "../../../src/connection/pending_command.ts";
import { isWritable } from "../../../src/core/writable.ts";

const TEXT = { replyEncoding: "utf8", keyPrefix: undefined } as const;

function make(name: string, args: unknown[]): Command {
  return new ManagedCommand(name, args, TEXT) as unknown as Command;
}

/** Notes what it is told, and tells no caller. */
class Noting implements CommandOwner {
  readonly told: unknown[] = [];

  replied(_command: unknown, reply: unknown): void {
    this.told.push(reply);
  }
  failed(_command: unknown, error: Error, delivery: string): void {
    this.told.push(error, delivery);
  }
}

const ARGUMENTS: [string, unknown[]][] = [
  ["get", ["k"]],
  ["set", ["k", 5, "EX", 60]],
  ["set", ["k", Buffer.from([0, 255])]],
  ["mset", [{ a: 1, b: "é" }]],
  ["mset", [new Map([["a", 1]])]],
  ["msetnx", [{ a: 1 }]],
  ["hset", ["h", { a: 1, b: 2 }]],
  ["hset", ["h", new Map([["a", "1"]])]],
  ["hmset", ["h", { a: 1, b: true, c: false }]],
  ["del", [["a", "b"], "c"]],
  ["zadd", ["z", -Infinity, "m", 1e21, "n", -0, "o", 2n ** 63n, "p"]],
  ["eval", ["return 1", 2, "a", "b", "c"]],
  ["xread", ["COUNT", 1, "STREAMS", "s", "0"]],
  ["ping", []],
];

Deno.test("ManagedCommand has the arguments, keys and text of an ioredis command", () => {
  for (const [name, args] of ARGUMENTS) {
    for (const keyPrefix of [undefined, "p:"]) {
      const options = { replyEncoding: "utf8", keyPrefix } as const;
      const ours = new ManagedCommand(name, [...args], options);
      const theirs = new Command(name, [...args] as string[], options);
      assertEquals(ours.name, theirs.name);
      assertEquals(ours.args, theirs.args);
      assertEquals(ours.getKeys(), theirs.getKeys());
      assertEquals(ours.toWritable({}), theirs.toWritable({}));
    }
  }
});

Deno.test("ManagedCommand passes the raw reply to its owner and the text to its caller", async () => {
  const owner = new Noting();
  const command = make("get", ["k"]);
  track(command, owner, 1000);
  command.resolve(Buffer.from("é"));
  assertEquals(owner.told, [Buffer.from("é")]);
  assertEquals(await command.promise, "é");
  command.resolve(Buffer.from("again"));
  command.reject(new Error("too late"));
  assertEquals(owner.told.length, 1);
});

Deno.test("ManagedCommand converts replies as an ioredis command does", async () => {
  const reply = () => [Buffer.from("a"), Buffer.from("1")];
  const theirs = new Command("hgetall", ["h"], TEXT);
  theirs.resolve(reply());
  const ours = make("hgetall", ["h"]);
  track(ours, new Noting(), 1000);
  ours.resolve(reply());
  assertEquals(await ours.promise, await theirs.promise);
  const raw = new ManagedCommand("get", ["k"], { ...TEXT, replyEncoding: null });
  raw.resolve(Buffer.from("b"));
  assertEquals(await raw.promise, Buffer.from("b"));
});

Deno.test("a command without an owner is settled by the calls of ioredis", async () => {
  const refused = make("get", ["k"]);
  refused.reject(new Error("recorded, never sent"));
  await assertRejects(() => refused.promise, Error, "recorded, never sent");
});

Deno.test("ManagedCommand leaves failures to its owner", () => {
  const owner = new Noting();
  const command = make("get", ["k"]);
  track(command, owner, 1000);
  const error = new Error("lost");
  command.reject(error);
  assertEquals(owner.told, [error, "never-sent"]);
});

Deno.test("a reply whose transformer throws rejects the command, whoever made it", async () => {
  const boom = () => {
    throw new Error("cannot make sense of it");
  };
  // A name of its own: transformers are the library's, for all of the process.
  Command.setReplyTransformer("mooringtest", boom);
  for (const command of [make("mooringtest", []), new Command("mooringtest", [], TEXT)]) {
    track(command, new Noting(), 1000);
    command.resolve(Buffer.from("x"));
    await assertRejects(() => command.promise, Error, "cannot make sense of it");
  }
});

Deno.test("an argument that has no text rejects the command, and names it", async () => {
  const args = ["k", Object.create(null), "secret"];
  const ours = make("set", args);
  assert(!isWritable(ours));
  const error = await assertRejects(
    () => ours.promise,
    TypeError,
    "Cannot write SET: argument 2 is an object; give a string",
  );
  assert(!error.message.includes("secret"));
  const theirs = new Command("set", args, TEXT);
  assert(!isWritable(theirs));
  await assertRejects(() => theirs.promise, TypeError);
  for (const command of [ours, theirs]) {
    assert(track(command, new Noting(), 1000).tracking.settled);
  }
  assert(isWritable(make("get", ["k"])));
  assert(isWritable(new Command("get", ["k"])));
});

Deno.test("where ioredis makes the promise elsewhere, it is a command like any other", async () => {
  const prototype = ManagedCommand.prototype as { initPromise?: () => void };
  const { initPromise } = prototype;
  delete prototype.initPromise;
  try {
    const owner = new Noting();
    const command = make("get", ["k"]);
    track(command, owner, 1000);
    command.resolve(Buffer.from("v"));
    assertEquals(await command.promise, "v");
    assertEquals(owner.told, [Buffer.from("v")]);
  } finally {
    prototype.initPromise = initPromise!;
  }
});

Deno.test("a command whose keys are missing has none, and is sent as it is", () => {
  const keyless: [string, unknown[]][] = [
    ["eval", ["return 1", 1e9, "k"]],
    ["EVALSHA", ["sha", "Infinity"]],
    ["blmpop", [0, Infinity, "k", "LEFT"]],
    ["zunionstore", ["to", 3, "a", "b"]],
    ["zinter", [2, "a"]],
    ["get", []],
    ["bitop", ["AND"]],
  ];
  for (const [name, args] of keyless) {
    const options = { replyEncoding: "utf8", keyPrefix: "p:" } as const;
    const command = new ManagedCommand(name, args, options);
    assertEquals(command.getKeys(), [], name);
    assertEquals(command.args, args.map(String), name);
    const bare = new ManagedCommand(name, args, { replyEncoding: "utf8" });
    assertEquals([bare.getKeys(), bare.toWritable({})], [[], command.toWritable({})]);
  }
});
