import { assertEquals, assertThrows } from "@std/assert";
import { mergeLocks } from "./lock.ts";

Deno.test("mergeLocks() keeps every specifier and package of npm, in order", () => {
  const merged = mergeLocks([
    {
      version: "5",
      specifiers: { "npm:b@1": "1.0.0" },
      npm: { "b@1.0.0": { integrity: "sha512-b" } },
    },
    {
      version: "5",
      specifiers: { "npm:a@2": "2.0.0" },
      npm: { "a@2.0.0": { integrity: "sha512-a" } },
    },
  ]);
  assertEquals(merged, {
    version: "5",
    specifiers: { "npm:a@2": "2.0.0", "npm:b@1": "1.0.0" },
    npm: { "a@2.0.0": { integrity: "sha512-a" }, "b@1.0.0": { integrity: "sha512-b" } },
  });
  assertEquals(Object.keys(merged.npm!), ["a@2.0.0", "b@1.0.0"]);
});

Deno.test("mergeLocks() leaves out what JSR has resolved", () => {
  const locked = {
    version: "5",
    specifiers: { "jsr:@std/async@1": "1.9.0", "npm:a@2": "2.0.0" },
    jsr: { "@std/async@1.9.0": { integrity: "00" } },
    npm: {},
  };
  assertEquals(mergeLocks([locked]), {
    version: "5",
    specifiers: { "npm:a@2": "2.0.0" },
    npm: {},
  });
});

Deno.test("mergeLocks() refuses locks of different formats, and none at all", () => {
  assertThrows(
    () => mergeLocks([{ version: "5" }, { version: "4" }]),
    Error,
    "current formats are [5, 4]",
  );
  assertThrows(() => mergeLocks([]), Error, "current formats are []");
});
