import { assertEquals, assertThrows } from "@std/assert";
import {
  encodeCommand,
  RespError,
  RespParser,
} from "../../../src/testing/resp_parser.ts";

const encoder = new TextEncoder();
const STREAM = "+OK\r\n-ERR no way\r\n:-42\r\n$5\r\nh\r\néo\r\n".replace("$5", "$6") +
  "$-1\r\n$0\r\n\r\n*-1\r\n*0\r\n*3\r\n:1\r\n*1\r\n$1\r\na\r\n$-1\r\n" +
  "%1\r\n+k\r\n,1.5\r\n~2\r\n#t\r\n#f\r\n>2\r\n+message\r\n_\r\n" +
  "=7\r\ntxt:abc\r\n!3\r\nERR\r\n(12345678901234567890\r\n";
const FRAMES = [
  ["+", "OK"],
  ["-", new RespError("ERR no way")],
  [":", -42],
  ["$", "h\r\néo"],
  ["$", null],
  ["$", ""],
  ["*", null],
  ["*", []],
  ["*", [1, ["a"], null]],
  ["%", ["k", 1.5]],
  ["~", [1, 0]],
  [">", ["message", null]],
  ["=", "txt:abc"],
  ["!", new RespError("ERR")],
  ["(", "12345678901234567890"],
];

Deno.test("RespParser.push() gives the same frames however the bytes are cut", () => {
  const bytes = encoder.encode(STREAM);
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const parser = new RespParser();
    const frames = [];
    for (let at = 0; at < bytes.length; at += size) {
      frames.push(...parser.push(bytes.subarray(at, at + size)));
    }
    assertEquals(frames.map(({ type, value }) => [type, value]), FRAMES);
    const length = frames.reduce((sum, frame) => sum + frame.length, 0);
    assertEquals(length, bytes.length);
  }
});

Deno.test("RespParser.push() reads replies larger than its buffer, one after the other", () => {
  const parser = new RespParser();
  const text = "0123456789".repeat(30_000);
  const frame = encoder.encode(`$${text.length}\r\n${text}\r\n`);
  for (let i = 0; i < 3; i++) {
    assertEquals(parser.push(frame.subarray(0, 100_000)), []);
    assertEquals(parser.push(frame.subarray(100_000)), [
      { type: "$", value: text, length: frame.length },
    ]);
  }
});

Deno.test("RespParser.push() throws on what is no RESP", () => {
  assertThrows(
    () => new RespParser().push(encoder.encode("GET k\r\n")),
    Error,
    `Cannot read RESP: unknown type "G"`,
  );
});

Deno.test("encodeCommand() counts bytes, not characters", () => {
  const bytes = encodeCommand(["SET", "é", 1, new Uint8Array([0, 13, 10])]);
  assertEquals(
    new TextDecoder().decode(bytes),
    "*4\r\n$3\r\nSET\r\n$2\r\né\r\n$1\r\n1\r\n$3\r\n\0\r\n\r\n",
  );
});
