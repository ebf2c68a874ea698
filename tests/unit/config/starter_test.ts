import { assert, assertEquals, assertRejects } from "@std/assert";
import { describeSettings } from "../../../config/descriptions.ts";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { DATABASE_SETTINGS, MANAGER_SETTINGS } from "../../../src/config/names.ts";
import { starterYaml } from "../../../src/config/starter.ts";
import { ConfigError } from "../../../src/core/errors/base.ts";
import { configOf } from "./support.ts";

Deno.test("starterYaml() loads without a warning", () => {
  const { databases, warnings } = configOf(starterYaml());
  assertEquals(Object.values(databases).map(({ name, db }) => [name, db]), [
    ["main", 0],
    ["cache", 1],
  ]);
  assertEquals(warnings, []);
});

Deno.test("starterYaml() names every setting with its default", () => {
  const text = starterYaml();
  const descriptions = describeSettings();
  for (const { key, yaml } of [...DATABASE_SETTINGS, ...MANAGER_SETTINGS]) {
    // The last one is for code alone.
    if (["aliasOf", "description", "resolve"].includes(key)) continue;
    assert(text.includes(`# ${descriptions.get(key)} Allowed: `), key);
    assert(text.includes(` ${yaml.split(".").at(-1)}: `), key);
  }
});

Deno.test("starterYaml() means the same with the comments taken away", () => {
  const bare = starterYaml().split("\n").map((line) =>
    line.replace(/^# (?=( {2})?\w+:)/, "")
  )
    .filter((line) => !/^# /.test(line)).join("\n");
  const plain = (text: string): unknown => JSON.parse(JSON.stringify(configOf(text)));
  // Host and Unix socket are both there, one of them null: nothing is contradicted.
  assertEquals(plain(bare), plain(starterYaml()));
  assert(
    configOf(bare).explain("main").filter(({ origin }) => origin !== "default").length >
      25,
  );
});

Deno.test("writeDefaultConfig() writes a file once, directories included", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/deep/config/redis-databases.yaml`;
    assertEquals(await RedisConfigLoader.writeDefaultConfig(path), true);
    assertEquals(await Deno.readTextFile(path), starterYaml());
    await Deno.writeTextFile(path, "mine");
    assertEquals(await RedisConfigLoader.writeDefaultConfig(path), false);
    assertEquals(await Deno.readTextFile(path), "mine");
    const url = new URL(`file://${dir}/by-url.yaml`);
    assertEquals(await RedisConfigLoader.writeDefaultConfig(url), true);
    const inFile = `${path}/below-a-file.yaml`;
    await assertRejects(() => RedisConfigLoader.writeDefaultConfig(inFile), ConfigError);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
