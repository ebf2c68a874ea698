import { assert, assertEquals } from "@std/assert";
import { Command } from "ioredis";
import {
  writeBatchText,
  writeQueryText,
} from "../../../../src/observability/telemetry/operations.ts";

const set = () => new Command("set", ["user:1", "s3cret", "EX", "60"]);

Deno.test("writeQueryText() tells as much of the arguments as was asked for", () => {
  assertEquals(writeQueryText(set(), "masked"), "SET ? ? ? ?");
  assertEquals(writeQueryText(set(), "keys"), "SET user:1 ? ? ?");
  assertEquals(writeQueryText(set(), "full"), "SET user:1 s3cret EX 60");
  const mget = new Command("mget", ["a", "b"]);
  assertEquals(writeQueryText(mget, "keys"), "MGET a b");
  assertEquals(writeQueryText(new Command("ping"), "full"), "PING");
});

Deno.test("writeQueryText() never tells the arguments of commands that take passwords", () => {
  for (
    const command of [
      new Command("auth", ["s3cret"]),
      new Command("hello", ["3", "AUTH", "app", "s3cret"]),
      new Command("config", ["SET", "requirepass", "s3cret"]),
      new Command("ACL", ["SETUSER", "app", ">s3cret"]),
      new Command("migrate", ["h", "1", "k", "0", "9", "AUTH", "s3cret"]),
    ]
  ) {
    for (const how of ["keys", "full"] as const) {
      assert(!writeQueryText(command, how).includes("s3cret"), command.name);
    }
  }
});

Deno.test("writeQueryText() quotes what is no plain word, and says only the size of bytes", () => {
  const command = new Command("set", ["a key", "line\nbreak", 'say "hi"', ""]);
  assertEquals(
    writeQueryText(command, "full"),
    'SET "a key" "line\\nbreak" "say \\"hi\\"" ""',
  );
  const bytes = { ...set(), args: ["k", new Uint8Array(5)], getKeys: () => ["k"] };
  assertEquals(writeQueryText(bytes as never, "full"), "SET k <5 bytes>");
});

Deno.test("writeQueryText() and writeBatchText() end where they get too long", () => {
  const long = new Command("set", ["k", "x".repeat(5000)]);
  assertEquals(writeQueryText(long, "full").length, 'SET k "…"'.length + 128);
  const many = new Command("mset", Array.from({ length: 5000 }, (_, i) => `k${i}`));
  assertEquals(writeQueryText(many, "full").length, 1025);
  assertEquals(writeBatchText(Array(500).fill(set()), "masked").length, 1025);
  assertEquals(writeBatchText([set(), set()], "masked"), "SET ? ? ? ?; SET ? ? ? ?");
});
