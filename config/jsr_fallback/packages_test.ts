import { assertEquals, assertRejects } from "@std/assert";
import { findPackages, readPackage, relativePath } from "./packages.ts";
import { STAND_INS } from "./root_config.ts";

Deno.test("relativePath() goes down, up and across", () => {
  assertEquals(relativePath("/a/b", "/a/b/c/d"), "./c/d");
  assertEquals(relativePath("/a/b", "/a/c"), "../c");
  assertEquals(relativePath("/a/b/c", "/d"), "../../../d");
  assertEquals(relativePath("/a/b", "/a/b"), ".");
});

Deno.test("findPackages() finds the folders that hold a package", async () => {
  const names = (await findPackages(import.meta.dirname!)).map(({ name }) => name);
  assertEquals(names, ["@std/assert", "@std/async", "@std/yaml"]);
});

Deno.test("findPackages() refuses a folder without any", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assertRejects(
      () => findPackages(folder),
      Error,
      `No package of std is found in "${folder}"`,
    );
  } finally {
    await Deno.remove(folder);
  }
});

Deno.test("STAND_INS have files for all of their exports", async () => {
  for (const folder of STAND_INS) {
    const { exports } = await readPackage(folder);
    for (const file of Object.values(exports)) {
      assertEquals((await Deno.stat(`${folder}/${file}`)).isFile, true);
    }
  }
});

Deno.test("STAND_INS fit the ranges that deno.json asks for", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile("deno.json"));
  for (const folder of STAND_INS) {
    const { name, version } = await readPackage(folder);
    const [, major, minor, patch] = /@\^(\d+)\.(\d+)\.(\d+)$/.exec(imports[name])!;
    const [hasMajor, hasMinor, hasPatch] = version.split(".").map(Number);
    assertEquals(hasMajor, Number(major));
    assertEquals(
      hasMinor! > Number(minor) ||
        (hasMinor === Number(minor) && hasPatch! >= Number(patch)),
      true,
    );
  }
});
