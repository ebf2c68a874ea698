import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { isPlaced, placeKeys } from "../../../src/connection/command_arguments.ts";
import type { Command } from "../../../src/connection/ioredis.ts";
import { copyCommand, ManagedCommand } from "../../../src/connection/managed_command.ts";

const made = (name: string, args: unknown[], keyPrefix = "p:") =>
  new ManagedCommand(name, args, { replyEncoding: "utf8", keyPrefix }) as unknown as
    & Command
    & { toWritable(): string | Uint8Array };

const CALLS: [string, unknown[]][] = [
  ["set", ["k", "v", "EX", 5]],
  ["set", ["k", Buffer.from([0, 255])]],
  ["hset", ["k", { a: 1, b: 2 }]],
  ["mset", [{ k: 1, l: 2 }]],
  ["zunionstore", ["out", 2, "k", "l"]],
  ["eval", ["return 1", 1, "k", "arg"]],
  ["ping", []],
];

for (const [name, args] of CALLS) {
  Deno.test(`copyCommand() copies a ${name} of ${args.length} arguments as it is sent`, async () => {
    const command = made(name, args);
    command.inTransaction = true;
    const written = Buffer.from(command.toWritable());
    command.resolve(Buffer.from("QUEUED"));
    assertEquals(await command.promise, "QUEUED");
    const copy = copyCommand(command) as ReturnType<typeof made>;
    assertEquals(Buffer.from(copy.toWritable()), written);
    assertEquals(copy.getKeys(), command.getKeys());
    assertEquals(copy.inTransaction, true);
    copy.resolve(Buffer.from("OK"));
    assertEquals(await copy.promise, "OK");
  });
}

Deno.test("copyCommand() keeps the keys that ioredis does not know", () => {
  const command = made("json.set", ["k", "$", "1"]);
  placeKeys(command, { keys: [0] }, "p:");
  const copy = copyCommand(command);
  assertEquals([isPlaced(copy), copy.args, copy.getKeys()], [true, ["p:k", "$", "1"], [
    "p:k",
  ]]);
});
