import { assertEquals } from "@std/assert";
import { LIBRARIES } from "./_libraries.ts";
import { testTypes } from "./_run.ts";

await testTypes();

Deno.test("src/LIBRARIES.md has each library that is tested", async () => {
  const text = await Deno.readTextFile(
    new URL("../../../src/LIBRARIES.md", import.meta.url),
  );
  const missing = Object.values(LIBRARIES).flat().filter(({ library }) => {
    const [name, version] = library.split(" ");
    return !text.includes(`\`${name}\` ${version}`);
  });
  assertEquals(missing, []);
});
