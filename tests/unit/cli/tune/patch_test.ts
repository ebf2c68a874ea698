import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { patchText, writePatch } from "../../../../src/cli/tune/patch.ts";
import type { Advice } from "../../../../src/cli/tune/report_types.ts";
import { ConfigError, RedisConfigLoader } from "../../../../mod.ts";

const ADVICE: readonly Advice[] = [
  { key: "max_lanes", value: 3, current: 1, reason: "" },
  { key: "max_connections", value: 35, current: 20, reason: "" },
  { key: "acquire_timeout", value: 0.5, current: 0.5, reason: "" },
  { key: "socket_timeout", value: 2, current: 1, reason: "" },
];

const noEnv = () => undefined;

/** Runs with a copy of the sample. */
async function withFile(
  fn: (path: string, text: string) => Promise<void>,
  text?: string,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/redis.yaml`;
    const before = text ?? await Deno.readTextFile("config/redis-databases.yaml");
    await Deno.writeTextFile(path, before);
    await fn(path, before);
    // Nothing is left beside the file.
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["redis.yaml"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("patchText() is YAML that loads with the values", () => {
  const yamlText = patchText(ADVICE, "cache");
  const { cache } = RedisConfigLoader.loadSync({ yamlText, env: {} }).databases;
  assertEquals(
    [cache!.maxLanes, cache!.maxConnections, cache!.commandTimeoutMs],
    [3, 35, 2000],
  );
  // What stays is not written.
  assertEquals(yamlText.includes("acquire_timeout"), false);
  const forAll = RedisConfigLoader.loadSync({ yamlText: patchText(ADVICE), env: {} });
  assertEquals(forAll.databases.main!.maxConnections, 35);
  assertEquals(patchText(ADVICE.slice(2, 3)), "");
});

Deno.test("writePatch() changes the values in the file, and keeps comments and all else", () =>
  withFile(async (path, before) => {
    await Deno.chmod(path, 0o640);
    await writePatch(path, ADVICE, "cache", noEnv);
    const after = await Deno.readTextFile(path);
    const [old, now] = [before.split("\n"), after.split("\n")];
    assertEquals(old.filter((line) => !now.includes(line)), [
      "    max_connections: 8",
      "    socket_timeout: 1",
    ]);
    assertEquals(now.filter((line) => !old.includes(line)), [
      "    max_connections: 35",
      "    socket_timeout: 2",
      "    max_lanes: 3",
    ]);
    const { databases } = await RedisConfigLoader.load({ yamlPath: path, env: {} });
    assertEquals(databases.cache!.maxLanes, 3);
    assertEquals(databases.main!.maxLanes, 1);
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o640);
  }));

Deno.test("writePatch() writes for all where the file does not have the database", () =>
  withFile(async (path) => {
    await writePatch(path, ADVICE, "main", noEnv);
    assertEquals(
      await Deno.readTextFile(path),
      "# mine\nhost: redis.internal\nmax_lanes: 3\nmax_connections: 35\n" +
        "socket_timeout: 2\n",
    );
  }, "# mine\nhost: redis.internal\n"));

Deno.test("writePatch() leaves the file as it was when it cannot be edited", async () => {
  const shared = "databases:\n  main: &x { db: 1 }\n  cache: *x\n";
  await withFile(async (path, before) => {
    await assertRejects(() => writePatch(path, ADVICE, "main", noEnv), ConfigError);
    assertEquals(await Deno.readTextFile(path), before);
  }, shared);
  await withFile(async (path, before) => {
    const wrong: Advice[] = [{ key: "max_lanes", value: -1, current: 1, reason: "" }];
    const error = await assertRejects(
      () => writePatch(path, wrong, "main", noEnv),
      ConfigError,
    );
    assertStringIncludes(error.message, "max_lanes");
    assertEquals(await Deno.readTextFile(path), before);
  }, "databases:\n  main: { db: 1 }\n");
});

Deno.test("writePatch() writes through a link, and does not touch a file without changes", () =>
  withFile(async (path) => {
    const dir = await Deno.makeTempDir();
    const link = `${dir}/link.yaml`;
    await Deno.symlink(path, link);
    await writePatch(link, ADVICE, "main", noEnv);
    assertEquals((await Deno.lstat(link)).isSymlink, true);
    assertStringIncludes(await Deno.readTextFile(path), "max_lanes: 3");
    const { mtime } = await Deno.stat(path);
    await writePatch(path, ADVICE.slice(2, 3), "main", noEnv);
    assertEquals((await Deno.stat(path)).mtime, mtime);
    await Deno.remove(dir, { recursive: true });
  }, "port: 6379\n"));

Deno.test("writePatch() refuses what loads alone but not together", () =>
  withFile(async (path, before) => {
    const lanes: Advice[] = [{ key: "max_lanes", value: 9, current: 1, reason: "" }];
    await assertRejects(() => writePatch(path, lanes, "main", noEnv), ConfigError);
    assertEquals(await Deno.readTextFile(path), before);
  }, "databases:\n  main: { max_connections: 2 }\n"));

Deno.test("writePatch() loads the file with the variables that it names", () =>
  withFile(async (path) => {
    const env = (name: string) => name === "WHERE" ? "redis.internal" : undefined;
    await writePatch(path, ADVICE, "main", env);
    assertStringIncludes(await Deno.readTextFile(path), "host: ${WHERE}\nmax_lanes: 3");
    await assertRejects(() => writePatch(path, ADVICE, "main", noEnv), ConfigError);
  }, "host: ${WHERE}\n"));
