import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { shareOptions } from "../../../src/connection/driver.ts";

Deno.test("shareOptions() returns one object for clients that are alike", () => {
  const siblings = {};
  const first = shareOptions({ connectionName: "lease", db: 1 }, siblings);
  shareOptions({ connectionName: "lane", db: 1 }, siblings);
  assertStrictEquals(
    shareOptions({ connectionName: "lease", db: 1 }, siblings),
    first,
  );
  assertEquals(first, { connectionName: "lease", db: 1 });
});

Deno.test("shareOptions() shares nothing where anything differs", () => {
  const siblings = {};
  const first = shareOptions({ connectionName: "lease", db: 1 }, siblings);
  for (
    const other of [
      { connectionName: "lane", db: 1 },
      { connectionName: "lease", db: 2 },
      { connectionName: "lease", db: 1, username: "somebody" },
      { connectionName: "lease", db: 1, username: undefined },
      { connectionName: "lease" },
    ]
  ) {
    const shared = shareOptions(other, siblings);
    assertNotStrictEquals(shared, first);
    assertEquals(shared, other);
  }
  // The options of another database may be the same by chance.
  const stranger = shareOptions({ connectionName: "lease", db: 1 }, {});
  assertNotStrictEquals(stranger, first);
});
