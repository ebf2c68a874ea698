import { Buffer } from "node:buffer";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { decodeLarge } from "../../../src/connection/pending_command.ts";
import { Random } from "../../support/random.ts";

const TEXT = { replyEncoding: "utf8" };
const SEED = Number(Deno.env.get("MOORING_TEST_SEED") ?? 7);

/** Pieces that decoders disagree on, if they do. */
const PIECES = [
  "plain ASCII",
  "é漢\u{1f600}",
  "\ufeff",
  "\0",
].map((text) => Buffer.from(text)).concat(
  [
    [0x80],
    [0xc3],
    [0xc0, 0x80],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x9f, 0x98],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf8, 0x88, 0x80, 0x80, 0x80],
    [0xff, 0xfe],
  ].map((bytes) => Buffer.from(bytes)),
);

function randomBytes(random: Random): Buffer {
  const parts = Array.from(
    { length: random.between(1, 300) },
    () =>
      random.between(0, 3) === 0
        ? Buffer.from([random.between(0, 255)])
        : random.pick(PIECES),
  );
  // As a slice of what was read, and at any offset.
  return Buffer.concat([Buffer.alloc(random.between(0, 7)), ...parts]).subarray(3);
}

Deno.test("decodeLarge() converts any bytes to the same text as Buffer.toString()", () => {
  const random = new Random(SEED);
  let large = 0;
  for (let i = 0; i < 3000; i++) {
    const bytes = randomBytes(random);
    const found = decodeLarge(bytes, TEXT);
    if (typeof found === "string") large++;
    assertEquals(String(found), bytes.toString("utf8"), bytes.toString("hex"));
  }
  assert(large > 1000, `${large} were large`);
});

Deno.test("decodeLarge() converts large items of lists only", () => {
  const large = Buffer.from("x".repeat(1000));
  const small = Buffer.from("small");
  const reply = [large, small, null, 5, [small, [large]], large.toString()];
  assertEquals(decodeLarge(reply, TEXT), [
    "x".repeat(1000),
    small,
    null,
    5,
    [small, ["x".repeat(1000)]],
    "x".repeat(1000),
  ]);
  for (const other of [null, 7, "text", small, new Map(), { a: large }]) {
    assertStrictEquals(decodeLarge(other, TEXT), other);
  }
});

Deno.test("decodeLarge() keeps Buffers where the caller wants Buffers", () => {
  const large = Buffer.from("x".repeat(1000));
  for (const command of [{ replyEncoding: null }, {}, { replyEncoding: "latin1" }]) {
    assertStrictEquals(decodeLarge(large, command), large);
    assertEquals(decodeLarge([large], command), [large]);
  }
});
