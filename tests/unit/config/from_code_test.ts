import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  BOOLEAN,
  duration,
  fromCode,
  integer,
  SECRET,
  text,
} from "../../../src/config/kinds.ts";
import { Secret } from "../../../src/core/secret.ts";

Deno.test("fromCode() takes typed values and converts none", () => {
  const cases: [Parameters<typeof fromCode>[0], unknown, unknown][] = [
    [integer(1, 65_535), 6379, 6379],
    [integer(1, 65_535), "6379", undefined],
    [integer(1, 65_535), 6379.5, undefined],
    [integer(1, 65_535), NaN, undefined],
    [integer(1, 65_535), 70_000, undefined],
    [integer(1, 65_535), 1n, undefined],
    [duration(1), 2500, 2500],
    [duration(1), "2500", undefined],
    [duration(1), Infinity, undefined],
    [duration(1), 0, undefined],
    [BOOLEAN, true, true],
    [BOOLEAN, "true", undefined],
    [BOOLEAN, 1, undefined],
    [text("host"), "[::1]", "::1"],
    [text("host"), 5, undefined],
    [text("any"), ["a"], undefined],
  ];
  for (const [kind, raw, expected] of cases) {
    assertEquals(fromCode(kind, raw), expected, `${kind.type} ${String(raw)}`);
  }
});

Deno.test("fromCode() takes a secret as text, as Secret and as function", () => {
  const secret = new Secret("x");
  const provider = () => "x";
  assertStrictEquals(fromCode(SECRET, "x"), "x");
  assertStrictEquals(fromCode(SECRET, secret), secret);
  assertStrictEquals(fromCode(SECRET, provider), provider);
  assertStrictEquals(fromCode(SECRET, 5), undefined);
  assertStrictEquals(fromCode(SECRET, {}), undefined);
});
