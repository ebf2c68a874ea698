import { assertEquals } from "@std/assert";
import { addLinks, prepareRootConfig, STAND_INS } from "./root_config.ts";

Deno.test("addLinks() adds the links and a lock of their own", () => {
  assertEquals(
    addLinks({ name: "@a/b", imports: {} }, ["./c"], "./deno.local.lock"),
    {
      name: "@a/b",
      imports: {},
      links: ["./c"],
      lock: { path: "./deno.local.lock" },
    },
  );
});

Deno.test("prepareRootConfig() takes deno.json as it is where JSR is reached", async () => {
  const path = await prepareRootConfig({ kind: "jsr" });
  assertEquals(path, await Deno.realPath("deno.json"));
});

Deno.test("prepareRootConfig() generates a configuration that links the stand-ins", async () => {
  const path = await prepareRootConfig({ kind: "stand-ins" });
  const generated = JSON.parse(await Deno.readTextFile(path));
  const committed = JSON.parse(await Deno.readTextFile("deno.json"));
  assertEquals(generated, {
    ...committed,
    links: STAND_INS.map((folder) => folder.replace(/^.*\/config\//, "./config/")),
    lock: { path: "./deno.local.lock" },
  });
});

Deno.test("prepareRootConfig() starts the generated lock with the committed checksums", async () => {
  await prepareRootConfig({ kind: "stand-ins" });
  const { npm: generated } = JSON.parse(await Deno.readTextFile("deno.local.lock"));
  const { npm: committed } = JSON.parse(await Deno.readTextFile("deno.lock"));
  // Deno may have rewritten the rest: dependencies have versions where there are several.
  for (const name of Object.keys(committed)) {
    assertEquals(generated[name].integrity, committed[name].integrity, name);
  }
});
