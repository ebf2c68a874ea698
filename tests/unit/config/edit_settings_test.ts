import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { editSettings } from "../../../src/config/edit_settings.ts";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { ConfigError } from "../../../src/core/errors/config.ts";

const edit = (text: string, settings: Record<string, number>, database?: string) =>
  editSettings(text, settings, { ...(database === undefined ? {} : { database }) });

/** The lines that one text has and the other has not. */
function changes(before: string, after: string): { gone: string[]; come: string[] } {
  const [old, now] = [before.split("\n"), after.split("\n")];
  return {
    gone: old.filter((line) => !now.includes(line)),
    come: now.filter((line) => !old.includes(line)),
  };
}

Deno.test("editSettings() changes the values in the sample and nothing else", async () => {
  const text = await Deno.readTextFile("config/redis-databases.yaml");
  const after = edit(
    text,
    { max_connections: 12, socket_timeout: 2.5, max_lanes: 3 },
    "cache",
  );
  assertEquals(changes(text, after), {
    gone: ["    max_connections: 8", "    socket_timeout: 1"],
    come: ["    max_connections: 12", "    socket_timeout: 2.5", "    max_lanes: 3"],
  });
  const { databases } = RedisConfigLoader.loadSync({ yamlText: after, env: {} });
  assertEquals(databases.cache!.maxConnections, 12);
  assertEquals(databases.cache!.commandTimeoutMs, 2500);
  assertEquals(databases.cache!.maxLanes, 3);
  assertEquals(databases.main!.maxLanes, 1);
});

Deno.test("editSettings() sets every size and time in each database of the sample", async () => {
  const text = await Deno.readTextFile("config/redis-databases.yaml");
  const before = RedisConfigLoader.loadSync({ yamlText: text, env: {} });
  for (const name of Object.keys(before.databases)) {
    if (before.databases[name]!.aliasOf !== undefined) continue;
    const after = edit(text, { max_lanes: 7, acquire_timeout: 9 }, name);
    const { databases } = RedisConfigLoader.loadSync({ yamlText: after, env: {} });
    assertEquals([databases[name]!.maxLanes, databases[name]!.acquireTimeoutMs], [
      7,
      9000,
    ]);
    const comments = (yaml: string) => yaml.match(/#.*/g);
    assertEquals(comments(after), comments(text));
  }
});

Deno.test("editSettings() keeps comments behind a value, CRLF and a byte order mark", () => {
  assertEquals(
    edit("\uFEFFmax_lanes: 1   # few\r\nport: 6379\r\n", { max_lanes: 4 }),
    "\uFEFFmax_lanes: 4   # few\r\nport: 6379\r\n",
  );
  assertEquals(edit('max_lanes: "1" # few', { max_lanes: 4 }), "max_lanes: 4 # few");
  assertEquals(edit("max_lanes: # few\n", { max_lanes: 4 }), "max_lanes: 4 # few\n");
});

Deno.test("editSettings() adds to a block, to braces, to nothing and at the end", () => {
  const cases: [text: string, expected: string, database?: string][] = [
    ["port: 1\n", "port: 1\nmax_lanes: 2\n"],
    ["port: 1", "port: 1\nmax_lanes: 2"],
    ["", "max_lanes: 2\n"],
    ["{ port: 1 }", "{ port: 1, max_lanes: 2 }"],
    ["databases:\n  a:\nport: 1\n", "databases:\n  a:\n    max_lanes: 2\nport: 1\n", "a"],
    ["databases:\n  a: {}\n", "databases:\n  a: { max_lanes: 2}\n", "a"],
    [
      "redis_databases:\n    a:\n       db: 1\n    b: {db: 2}\n",
      "redis_databases:\n    a:\n       db: 1\n       max_lanes: 2\n    b: {db: 2}\n",
      "a",
    ],
    [
      "databases:\n  a:\n    db: 1\n    tls:\n      enabled: false\n",
      "databases:\n  a:\n    db: 1\n    max_lanes: 2\n    tls:\n      enabled: false\n",
      "a",
    ],
    ["{databases: {a: {db: 1}}}", "{databases: {a: {db: 1, max_lanes: 2}}}", "a"],
  ];
  for (const [text, expected, database] of cases) {
    assertEquals(edit(text, { max_lanes: 2 }, database), expected, text);
  }
});

Deno.test("editSettings() keeps the name that a setting goes by", () => {
  assertEquals(edit("timeout: 3\n", { socket_timeout: 1 }), "timeout: 1\n");
});

Deno.test("editSettings() refuses what an alias or a merge key would change as well", () => {
  const shared = [
    "databases:\n  a: &x { db: 1 }\n  b: *x\n",
    "databases:\n  a: &x\n    db: 1\n  b:\n    <<: *x\n",
  ];
  for (const text of shared) {
    assertThrows(() => edit(text, { max_lanes: 2 }, "a"), ConfigError, "more than");
  }
  assertThrows(() => edit(shared[0]!, { max_lanes: 2 }, "b"), ConfigError, "own");
});

Deno.test("editSettings() refuses what is not there, and tells no secret", () => {
  assertThrows(
    () => edit("port: 1\n", { max_lanes: 2 }, "a"),
    ConfigError,
    "databases.a",
  );
  assertThrows(() => edit("port: 1\n", { max_lane: 2 }), ConfigError, "max_lane");
  assertThrows(() => edit("max_lanes: [1]\n", { max_lanes: 2 }), ConfigError, "scalar");
  const error = assertThrows(
    () => edit("password: s3cret: x: [\n", { max_lanes: 2 }),
    ConfigError,
  );
  assertNotEquals(error.message, "");
  assertEquals(error.message.includes("s3cret"), false);
});
