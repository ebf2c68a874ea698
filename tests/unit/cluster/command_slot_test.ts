import { assertEquals, assertStringIncludes } from "@std/assert";
import { partsOf } from "../../../src/cluster/slots.ts";

const command = (name: string, ...keys: string[]) => ({ name, getKeys: () => keys });

Deno.test("partsOf() keeps a transaction together and everything else apart", () => {
  const batch = [
    command("get", "foo"),
    command("MULTI"),
    command("set", "{a}1"),
    command("incr", "{a}2"),
    command("EXEC"),
    command("ping"),
  ];
  const parts = partsOf(batch);
  assertEquals(parts.map(({ commands }) => commands.length), [1, 4, 1]);
  assertEquals(parts.map(({ slot }) => slot), [12182, 15495, undefined]);
  assertEquals(parts.map(({ crossSlot }) => crossSlot), [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("partsOf() notices a transaction whose keys are in two slots", () => {
  const [part] = partsOf([
    command("multi"),
    command("get", "foo"),
    command("get", "bar"),
    command("exec"),
  ]);
  const text = part!.crossSlot!;
  assertStringIncludes(text, '"foo" is in slot 12182 and "bar" in slot 5061');
});
