import { assertEquals } from "@std/assert";
import { commandLine, type Setting } from "./command_line.ts";
import { TASKS } from "./tasks.ts";

const EXISTING = ["mod.ts", "src", "tests", "tests/unit", "README.md"];

function setting(changes: Partial<Setting> = {}): Setting {
  return {
    config: "/p/deno.local.json",
    userArgs: [],
    entrypoints: ["./mod.ts", "./src/config/mod.ts"],
    exists: (path) => EXISTING.includes(path.replace(/^\.\//, "")),
    ...changes,
  };
}

Deno.test("commandLine() puts the configuration after the subcommand", () => {
  assertEquals(
    commandLine(
      { name: "demo", args: ["run", "-A", "main.ts"] },
      setting({
        userArgs: ["--json"],
      }),
    ),
    ["run", "--config", "/p/deno.local.json", "-A", "main.ts", "--json"],
  );
});

Deno.test("commandLine() leaves out paths that do not exist", () => {
  assertEquals(
    commandLine({ name: "types", args: ["check"], paths: ["src", "bench"] }, setting()),
    ["check", "--config", "/p/deno.local.json", "src"],
  );
});

Deno.test("commandLine() names the files of the exports", () => {
  assertEquals(
    commandLine({ name: "doc", args: ["doc", "--lint"], paths: "exports" }, setting()),
    ["doc", "--config", "/p/deno.local.json", "--lint", "./mod.ts"],
  );
});

const TESTS = { name: "tests", args: ["test", "-A"], paths: ["tests"], tests: true };
const SANITIZED = ["--sanitize-ops", "--sanitize-resources", "-A"];

Deno.test("commandLine() switches the sanitizers on", () => {
  assertEquals(
    commandLine(TESTS, setting()),
    ["test", "--config", "/p/deno.local.json", ...SANITIZED, "tests"],
  );
});

Deno.test("commandLine() runs the tests that the user names instead of all", () => {
  const call = ["test", "--config", "/p/deno.local.json", ...SANITIZED];
  assertEquals(
    commandLine(TESTS, setting({ userArgs: ["tests/unit"] })),
    [...call, "tests/unit"],
  );
  assertEquals(
    commandLine(TESTS, setting({ userArgs: ["--filter", "Pool"] })),
    [...call, "tests", "--filter", "Pool"],
  );
});

Deno.test("commandLine() wraps a step that needs Redis", () => {
  const step = { name: "examples", args: ["test", "--doc"], redis: true };
  assertEquals(commandLine(step, setting()), [
    "run",
    "--config",
    "/p/deno.local.json",
    "-A",
    "config/jsr_fallback/with_redis.ts",
    "test",
    "--config",
    "/p/deno.local.json",
    "--doc",
  ]);
});

Deno.test("TASKS has a line in deno.json for each task", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile("deno.json"));
  for (const name of Object.keys(TASKS)) {
    assertEquals(
      tasks[name],
      `deno run -A --no-config --no-lock config/jsr_fallback/run.ts ${name}`,
    );
  }
});
