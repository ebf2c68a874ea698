import { assertEquals, assertStringIncludes } from "@std/assert";
import type { RedisConfig } from "../../../src/config/mod.ts";
import type { ConfigProblem } from "../../../src/core/errors/config.ts";
import { local, runDeno } from "./run_child.ts";

interface Loaded {
  names?: string[];
  shown?: RedisConfig;
  warnings?: string[];
  problems?: ConfigProblem[];
}

/** Loads in a process with just these permissions. */
async function load(
  flags: readonly string[],
  options: object,
  env: Record<string, string> = {},
  cwd?: string,
): Promise<Loaded> {
  const { stdout } = await runDeno(
    ["run", "--no-prompt", ...flags, local("child.ts"), JSON.stringify(options)],
    { env, ...(cwd === undefined ? {} : { cwd }) },
  );
  return JSON.parse(stdout);
}

const YAML = "databases: {main: }\nport: 7000";

Deno.test("load() loads with no permission at all, and says which flags are missing", async () => {
  const { names, warnings } = await load([], {}, { REDIS_HOST: "unseen" });
  assertEquals(names?.length, 18);
  assertEquals(warnings?.length, 2);
  assertStringIncludes(warnings![0]!, "run with --allow-read=");
  assertStringIncludes(
    warnings![1]!,
    "may not be read and count as not set; run with --allow-env",
  );
});

Deno.test("load() takes the variables that it may read", async () => {
  const { shown, warnings } = await load(
    ["--allow-env=REDIS_PORT,REDIS_DB_MAIN"],
    { yamlText: "databases: {main: }" },
    { REDIS_PORT: "7000", REDIS_HOST: "unseen", REDIS_DB_MAIN: "3" },
  );
  assertEquals([shown?.port, shown?.host, shown?.db], [7000, "localhost", 3]);
  assertEquals(warnings?.length, 1);
});

Deno.test("load() says nothing of permissions when it has them", async () => {
  const { shown, warnings } = await load(
    ["--allow-env"],
    { yamlText: YAML },
    { REDIS_HOST: "seen" },
  );
  assertEquals([shown?.port, shown?.host, warnings], [7000, "seen", []]);
});

Deno.test("load() names --allow-env where a file needs a variable", async () => {
  const yamlText = "databases: {main: }\nhost: ${DATABASE_HOST}";
  const { problems } = await load([], { yamlText });
  assertEquals(problems?.length, 1);
  assertStringIncludes(problems![0]!.message, "run with --allow-env=DATABASE_HOST");
  const { shown } = await load(
    ["--allow-env=DATABASE_HOST"],
    { yamlText },
    { DATABASE_HOST: "h" },
  );
  assertEquals(shown?.host, "h");
});

Deno.test("load() judges a file of TLS that it may read, and warns of one that it may not", async () => {
  const caFile = local("../../unit/config/fixtures/fourteen-databases.yaml");
  const yamlText =
    `databases: {main: , other: }\ntls: {enabled: true, ca_file: ${caFile}}`;
  const { names, warnings } = await load(["--allow-env"], { yamlText });
  assertEquals(names, ["main", "other"]);
  assertEquals(warnings?.filter((one) => one.includes("ca_file")), [
    `yaml text:2: tls.ca_file "${caFile}" is not checked: reading it is not allowed; ` +
    `run with --allow-read=${caFile}`,
  ]);
  const allowed = await load(["--allow-env", `--allow-read=${caFile}`], { yamlText });
  assertEquals(allowed.problems?.length, 1);
  assertStringIncludes(allowed.problems![0]!.message, "holds no PEM");
});

Deno.test("load() names --allow-read where a file was asked for", async () => {
  const yamlPath = local("../../unit/config/fixtures/fourteen-databases.yaml");
  const { problems } = await load(["--allow-env"], { yamlPath });
  assertEquals(problems, [{
    origin: yamlPath,
    key: "",
    message: "cannot read the configuration: reading it is not allowed; run with " +
      `--allow-read=${yamlPath}`,
  }]);
  const { names } = await load(["--allow-env", `--allow-read=${yamlPath}`], { yamlPath });
  assertEquals(names?.length, 14);
});

Deno.test("load() names --allow-read where a password file was asked for", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "pw");
    const yamlText = `databases: {main: }\npassword_file: ${file}`;
    const { problems } = await load(["--allow-env"], { yamlText });
    assertEquals(problems?.length, 1);
    assertEquals(problems![0]!.key, "databases.main.password_file");
    assertStringIncludes(problems![0]!.message, `run with --allow-read=${file}`);
    const { shown } = await load(["--allow-env", `--allow-read=${file}`], { yamlText });
    assertEquals(String(shown?.password), "***");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("load() finds ./config/redis-databases.yaml below the working directory", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${dir}/config`);
    await Deno.writeTextFile(
      `${dir}/config/redis-databases.yaml`,
      "databases: {here: {db: 2}}",
    );
    const flags = ["--allow-env", "--allow-read"];
    const { names, shown } = await load(flags, { show: "here" }, {}, dir);
    assertEquals([names, shown?.db], [["here"], 2]);
    const away = await load(flags, { show: "here" }, { MOORING_BASE_DIR: dir }, "/");
    assertEquals(away.names, ["here"]);
    const autobot = await load(flags, { show: "here" }, { AUTOBOT_BASE_DIR: dir }, "/");
    assertEquals(autobot.names, ["here"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
