import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { parseRedirect, SlotMap } from "../../../src/cluster/slots.ts";
import { formatAddress, hostOf } from "../../../src/core/address.ts";

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

Deno.test("SlotMap.empty has no primaries", () => {
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

Deno.test("parseRedirect() reads kind, slot and node", () => {
  assertEquals(parseRedirect("MOVED 3999 127.0.0.1:6381", "asked"), {
    kind: "moved",
    slot: 3999,
    node: { host: "127.0.0.1", port: 6381 },
  });
  assertEquals(parseRedirect("ASK 0 host.example:1", "asked"), {
    kind: "ask",
    slot: 0,
    node: { host: "host.example", port: 1 },
  });
});

Deno.test("parseRedirect() reads an IPv6 address, and no host as the asked one", () => {
  const nodeOf = (text: string) => parseRedirect(`MOVED 1 ${text}`, "asked")?.node;
  assertEquals(nodeOf("fe80::1:7000"), { host: "fe80::1", port: 7000 });
  assertEquals(nodeOf(":7000"), { host: "asked", port: 7000 });
  assertEquals(nodeOf("?:7000"), { host: "asked", port: 7000 });
});

Deno.test("parseRedirect() refuses what is no redirect", () => {
  for (
    const text of [
      "ERR MOVED 1 h:7000",
      "MOVED",
      "MOVED 16384 h:7000",
      "MOVED 1 h:0",
      "MOVED 1 h:65536",
      "MOVED 1 h",
      "MOVED x h:7000",
      "MOVED 1 h:7000\nASK 1 h:7000",
      "TRYAGAIN Multiple keys request during rehashing of slot",
    ]
  ) assertEquals(parseRedirect(text, "asked"), undefined, text);
});

Deno.test("addressText() and hostOf() put brackets around IPv6, and take them off", () => {
  assertEquals(formatAddress({ host: "a", port: 7000 }), "a:7000");
  assertEquals(formatAddress({ host: "::1", port: 7000 }), "[::1]:7000");
  assertEquals(["a:7000", "[::1]:7000"].map(hostOf), ["a", "::1"]);
});
