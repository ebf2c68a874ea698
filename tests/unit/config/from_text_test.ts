import { assertEquals } from "@std/assert";
import {
  BOOLEAN,
  choice,
  duration,
  fromText,
  integer,
  number,
  text,
} from "../../../src/config/kinds.ts";

/** Text and what it means; `undefined` where it is refused. */
type Cases = [raw: string, expected: unknown][];

function check(kind: Parameters<typeof fromText>[0], cases: Cases): void {
  for (const [raw, expected] of cases) assertEquals(fromText(kind, raw), expected, raw);
}

Deno.test("fromText() takes whole numbers as they are written and guesses none", () => {
  check(integer(0, 65_535), [
    ["0", 0],
    ["6379", 6379],
    ["65535", 65_535],
    ["65536", undefined],
    ["-1", undefined],
    ["010", undefined],
    ["0x10", undefined],
    ["0o17", undefined],
    ["0b1", undefined],
    ["1_000", undefined],
    ["1,000", undefined],
    ["1e3", undefined],
    ["6379.0", undefined],
    ["+1", undefined],
    [" 1", undefined],
    ["", undefined],
    ["12:30", undefined],
    ["2024-01-01", undefined],
    ["true", undefined],
    ["NaN", undefined],
    ["99999999999999999999", undefined],
  ]);
});

Deno.test("fromText() turns seconds into milliseconds without rounding noise", () => {
  check(duration(1), [
    ["5", 5000],
    ["3.0", 3000],
    ["0.1", 100],
    ["0.3", 300],
    ["1.1", 1100],
    ["0.0015", 1.5],
    ["1e-2", 10],
    ["0.0001", undefined],
    ["0", undefined],
    ["-5", undefined],
    ["2147483", 2_147_483_000],
    ["2147484", undefined],
    ["1e999", undefined],
    [".inf", undefined],
    [".nan", undefined],
    ["5s", undefined],
    ["500ms", undefined],
    ["00:05", undefined],
    ["05", undefined],
  ]);
});

Deno.test("fromText() takes numbers inside their range", () => {
  check(number(0, 1), [
    ["0", 0],
    ["0.25", 0.25],
    ["1", 1],
    ["1.01", undefined],
    [".5", undefined],
    ["1/2", undefined],
  ]);
});

Deno.test("fromText() takes true and false as YAML spells them, no other words", () => {
  check(BOOLEAN, [
    ["true", true],
    ["True", true],
    ["FALSE", false],
    ["yes", undefined],
    ["no", undefined],
    ["on", undefined],
    ["off", undefined],
    ["1", undefined],
    ["tRUE", undefined],
    ["", undefined],
  ]);
});

Deno.test("fromText() takes exactly the words of a choice", () => {
  check(choice("node", "deno"), [
    ["node", "node"],
    ["deno", "deno"],
    ["Node", undefined],
    ["", undefined],
  ]);
});

Deno.test("fromText() leaves texts what they are", () => {
  check(text("any", 10), [
    ["010", "010"],
    ["yes", "yes"],
    ["2024-01-01", "2024-01-01"],
    ["", ""],
    ["0123456789", "0123456789"],
    ["0123456789x", undefined],
    ["a\0b", undefined],
  ]);
});

Deno.test("fromText() takes host names and addresses without port or scheme", () => {
  check(text("host", 253), [
    ["localhost", "localhost"],
    ["redis.internal", "redis.internal"],
    ["redis_1", "redis_1"],
    ["10.0.0.7", "10.0.0.7"],
    ["::1", "::1"],
    ["[::1]", "::1"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["localhost:6379", undefined],
    ["redis://localhost", undefined],
    ["user@host", undefined],
    ["two words", undefined],
    ["", undefined],
    ["a/b", undefined],
    ["a\nb", undefined],
    ["x".repeat(254), undefined],
  ]);
});

Deno.test("fromText() takes names of databases and refuses those of object internals", () => {
  check(text("database"), [
    ["cache", "cache"],
    ["user-cache.v2:eu", "user-cache.v2:eu"],
    ["_private", "_private"],
    ["toString", "toString"],
    ["__proto__", undefined],
    ["constructor", undefined],
    ["prototype", undefined],
    ["-cache", undefined],
    ["two words", undefined],
    ["", undefined],
    ["x".repeat(129), undefined],
  ]);
});
