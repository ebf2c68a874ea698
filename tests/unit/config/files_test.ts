import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { EnvReader } from "../../../src/config/sources/environment.ts";
import { searchPath } from "../../../src/config/sources/yaml.ts";
import { ConfigError } from "../../../src/core/errors/config.ts";
import { errorOf, onlyProblem, PEM, reveal, TempDir } from "./support.ts";

Deno.test("load() reads a path, a file URL and the text of one", async () => {
  using dir = new TempDir();
  const file = dir.write("a b.yaml", "databases: {x: {db: 3}}");
  const url = new URL(`file://${file.replace(" ", "%20")}`);
  for (const yamlPath of [file, url, url.href]) {
    const config = await RedisConfigLoader.load({ yamlPath, env: {} });
    assertEquals(config.databases.x!.db, 3);
    assertEquals(RedisConfigLoader.loadSync({ yamlPath, env: {} }).databases.x!.db, 3);
  }
  const config = await RedisConfigLoader.load({ yamlPath: url, env: {} });
  assertEquals(config.origin("databases.x.db"), `${file}:1`);
});

Deno.test("load() refuses a file that was asked for and cannot be read", async () => {
  using dir = new TempDir();
  const latin = dir.write("latin.yaml", new Uint8Array([0x61, 0x3a, 0x20, 0xe9]));
  const huge = dir.write("huge.yaml", "#".repeat(10 * 1024 * 1024));
  const cases: [path: string, reason: string][] = [
    [`${dir.path}/none.yaml`, "the file does not exist"],
    [dir.path, "it is a directory"],
    [latin, "it is not valid UTF-8"],
    [huge, "it is larger than allowed: at most 1048576 bytes"],
    ["/dev/zero", "it is larger than allowed: at most 1048576 bytes"],
  ];
  for (const [yamlPath, reason] of cases) {
    const complaint = `${yamlPath}: : cannot read the configuration: ${reason}`;
    assertEquals(
      onlyProblem(() => RedisConfigLoader.loadSync({ yamlPath, env: {} })),
      complaint,
    );
    const error = await assertRejects(
      () => RedisConfigLoader.load({ yamlPath, env: {} }),
      ConfigError,
    );
    assertEquals(error.origin, yamlPath);
    assertStringIncludes(error.message, reason);
  }
});

Deno.test("load() refuses a path beside a text", () => {
  assertEquals(
    onlyProblem(() =>
      RedisConfigLoader.loadSync({ yamlPath: "x", yamlText: "", env: {} })
    ),
    "yamlPath: : yamlPath and yamlText are both given; leave one out",
  );
});

Deno.test("searchPath() lists the given, the container's, the host's and the bases' files", () => {
  const env = new EnvReader({
    REDIS_CONFIG_PATH: "/etc/redis.yaml",
    MOORING_BASE_DIR: "/srv/mooring/",
    AUTOBOT_BASE_DIR: "/srv/autobot",
  });
  assertEquals(searchPath(env), [
    "/etc/redis.yaml",
    "/app/config/redis-databases.yaml",
    "config/redis-databases.yaml",
    "/srv/mooring/config/redis-databases.yaml",
    "/srv/autobot/config/redis-databases.yaml",
  ]);
  assertEquals(searchPath(new EnvReader({})).length, 2);
});

Deno.test("load() takes the file of REDIS_CONFIG_PATH before all others", async () => {
  using dir = new TempDir();
  const REDIS_CONFIG_PATH = dir.write("mine.yaml", "databases: {mine: }");
  const config = await RedisConfigLoader.load({ env: { REDIS_CONFIG_PATH } });
  assertEquals(Object.keys(config.databases), ["mine"]);
});

Deno.test("load() goes on, with a warning, when REDIS_CONFIG_PATH leads nowhere", async () => {
  using dir = new TempDir();
  const REDIS_CONFIG_PATH = `${dir.path}/none.yaml`;
  const { warnings } = await RedisConfigLoader.load({ env: { REDIS_CONFIG_PATH } });
  assertEquals(
    warnings.filter((one) => one.includes("REDIS_CONFIG_PATH")),
    [`env REDIS_CONFIG_PATH: the file ${REDIS_CONFIG_PATH} does not exist`],
  );
});

Deno.test("load() refuses a broken file on the search path, and looks no further", () => {
  using dir = new TempDir();
  const REDIS_CONFIG_PATH = dir.write("broken.yaml", "databases: {a: ");
  const MOORING_BASE_DIR = dir.path;
  dir.write("config/redis-databases.yaml", "databases: {a: }");
  const error = errorOf(() =>
    RedisConfigLoader.loadSync({ env: { REDIS_CONFIG_PATH, MOORING_BASE_DIR } })
  );
  assert(error.origin.startsWith(`${REDIS_CONFIG_PATH}:`), error.origin);
});

Deno.test("load() reads a password file anew for each connection", async () => {
  using dir = new TempDir();
  const file = dir.write("secret", "first\n");
  const config = await RedisConfigLoader.load({
    yamlText: `databases: {a: }\npassword_file: ${file}`,
    env: {},
  });
  const { password } = config.databases.a!;
  assertEquals(await reveal(password), "first");
  dir.write("secret", "second\r\n");
  assertEquals(await reveal(password), "second");
  assertEquals(password!.isProvided, true);
  Deno.removeSync(file);
  const error = await assertRejects(() => password!.reveal(), ConfigError);
  assertEquals(error.origin, "yaml text:2");
  assertStringIncludes(error.message, "it does not exist");
  dir.write("secret", "first\n");
  assertEquals(await reveal(password), "first");
});

Deno.test("load() refuses a password file that is missing, empty or no text", () => {
  using dir = new TempDir();
  const cases: [file: string, reason: string][] = [
    [`${dir.path}/none`, "it does not exist"],
    [dir.write("empty", "\n"), "is empty"],
    [dir.write("binary", new Uint8Array([0xff, 0xfe])), "it is not valid UTF-8"],
    [dir.write("huge", "x".repeat(70_000)), "it is larger than allowed"],
  ];
  for (const [file, reason] of cases) {
    const complaint = onlyProblem(() =>
      RedisConfigLoader.loadSync({ yamlText: `password_file: ${file}`, env: {} })
    );
    assertStringIncludes(
      complaint,
      "yaml text:1:16: databases.main.password_file: the file",
    );
    assertStringIncludes(complaint, reason);
  }
});

Deno.test("load() warns of a secret file that others may read", () => {
  using dir = new TempDir();
  const open = dir.write("open", PEM.key, 0o644);
  const closed = dir.write("closed", PEM.certificate, 0o640);
  const warningsOf = (yamlText: string): readonly string[] =>
    RedisConfigLoader.loadSync({ yamlText, env: {} }).warnings;
  assertEquals(warningsOf(`databases: {a: {password_file: ${open}}}`), [
    `database a: the secret file "${open}" is readable by others (mode 0644); take that ` +
    "right away with chmod o-r",
  ]);
  assertEquals(warningsOf(`databases: {a: {password_file: ${closed}}}`), []);
  const tls = `tls: {enabled: true, cert_file: ${closed}, key_file: ${open}}`;
  assertStringIncludes(warningsOf(`databases: {a: }\n${tls}`)[0]!, `"${open}"`);
});
