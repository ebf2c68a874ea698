import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { SlotMap } from "../../../src/cluster/slot_map.ts";

const A = { host: "a", port: 7000 };
const B = { host: "b", port: 7000 };
const C = { host: "b", port: 7001 };

Deno.test("SlotMap.of() knows the owner of each slot, and each owner once", () => {
  const map = SlotMap.of([
    { first: 0, last: 9, node: A },
    { first: 10, last: 20, node: B },
    { first: 30, last: 30, node: { ...A } },
  ]);
  assertEquals([0, 9, 10, 20, 30].map((slot) => map.ownerOf(slot)), [A, A, B, B, A]);
  assertEquals([21, 29, 31, 16_383].map((slot) => map.ownerOf(slot)), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(map.primaries, [A, B]);
  assertEquals(map.covered, 22);
});

Deno.test("SlotMap.empty knows nobody", () => {
  assertEquals(SlotMap.empty.ownerOf(0), undefined);
  assertEquals(SlotMap.empty.primaries, []);
  assertEquals(SlotMap.empty.covered, 0);
});

Deno.test("SlotMap.withOwner() changes one slot of another map", () => {
  const map = SlotMap.of([{ first: 0, last: 16_383, node: A }]);
  const moved = map.withOwner(5, C);
  assertEquals([4, 5, 6].map((slot) => moved.ownerOf(slot)), [A, C, A]);
  assertEquals(moved.primaries, [A, C]);
  assertEquals(map.ownerOf(5), A);
  assertNotStrictEquals(map, moved);
  assertStrictEquals(moved.withOwner(5, { ...C }), moved);
  assertEquals(moved.withOwner(6, { ...C }).primaries, [A, C]);
});
