import { assertEquals } from "@std/assert";
import { editDistance, nearest } from "../../../src/core/errors/base.ts";

Deno.test("editDistance() counts insertions, deletions, substitutions and swaps", () => {
  assertEquals(editDistance("cache", "cache"), 0);
  assertEquals(editDistance("cahce", "cache"), 1);
  assertEquals(editDistance("cach", "cache"), 1);
  assertEquals(editDistance("caches", "cache"), 1);
  assertEquals(editDistance("kitten", "sitting"), 3);
  assertEquals(editDistance("", "abc"), 3);
});

Deno.test("nearest() finds the word that was meant, or none", () => {
  const words = ["main", "cache", "sessions", "max_connections"];
  assertEquals(nearest("cahce", words), "cache");
  assertEquals(nearest("SESIONS", words), "sessions");
  assertEquals(nearest("max_conections", words), "max_connections");
  assertEquals(nearest("zebra", words), undefined);
  assertEquals(nearest("x".repeat(10_000), words), undefined);
});
