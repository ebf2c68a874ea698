import { assertEquals, assertStringIncludes } from "@std/assert";
import { describeCrossSlot, keySlot } from "../../../src/cluster/slots.ts";

Deno.test("keySlot() gives what Redis' specification gives", () => {
  // CRC-16/XMODEM of "123456789" is 0x31C3.
  assertEquals(keySlot("123456789"), 0x31c3 & 16_383);
  assertEquals(keySlot(""), 0);
  assertEquals(keySlot("foo"), 12_182);
});

Deno.test("keySlot() takes the first tag, and the whole key where that is empty", () => {
  assertEquals(keySlot("a{foo}b{bar}"), keySlot("foo"));
  assertEquals(keySlot("{{a}}"), keySlot("{a"));
  // What Redis 7.0.15 answered to CLUSTER KEYSLOT.
  assertEquals(keySlot("foo{}{bar}"), 8363);
  assertEquals(keySlot("{}{}"), 15_786);
});

Deno.test("keySlot() gives the same for text and for its bytes", () => {
  for (const key of ["é😀x", "{ü}1", "plain"]) {
    assertEquals(keySlot(key), keySlot(new TextEncoder().encode(key)));
  }
});

Deno.test("describeCrossSlot() names the two keys that are apart", () => {
  assertEquals(describeCrossSlot([]), undefined);
  assertEquals(describeCrossSlot(["one"]), undefined);
  assertEquals(describeCrossSlot(["{a}1", "{a}2", "a"]), undefined);
  assertStringIncludes(
    describeCrossSlot(["{a}1", "{a}2", "foo", "bar"])!,
    `"{a}1" is in slot ${keySlot("a")} and "foo" in slot 12182`,
  );
});
