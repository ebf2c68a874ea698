import { assertEquals } from "@std/assert";
import { commandLine, type Setting } from "./command_line.ts";
import { TASKS } from "./tasks.ts";

const EXISTING = ["mod.ts", "src", "tests", "tests/unit", "README.md"];

function setting(changes: Partial<Setting> = {}): Setting {
  return {
    config: "/p/deno.local.json",
    version: "2.9.6",
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

Deno.test("commandLine() switches the sanitizers on where that takes flags", () => {
  const flags = ["--sanitize-ops", "--sanitize-resources"];
  for (const version of ["2.8.0", "2.9.6", "3.0.0"]) {
    assertEquals(
      commandLine(TESTS, setting({ version })),
      ["test", "--config", "/p/deno.local.json", ...flags, "-A", "tests"],
    );
  }
  for (const version of ["2.5.7", "2.7.99"]) {
    assertEquals(
      commandLine(TESTS, setting({ version })),
      ["test", "--config", "/p/deno.local.json", "-A", "tests"],
    );
  }
});

Deno.test("commandLine() runs the tests that the user names instead of all", () => {
  const version = "2.5.7";
  assertEquals(
    commandLine(TESTS, setting({ version, userArgs: ["tests/unit"] })),
    ["test", "--config", "/p/deno.local.json", "-A", "tests/unit"],
  );
  assertEquals(
    commandLine(TESTS, setting({ version, userArgs: ["--filter", "Pool"] })),
    ["test", "--config", "/p/deno.local.json", "-A", "tests", "--filter", "Pool"],
  );
});

Deno.test("commandLine() wraps a step that needs Redis", () => {
  const step = { name: "examples", args: ["test", "--doc"], redis: true };
  assertEquals(commandLine(step, setting()), [
    "run",
    "--config",
    "/p/deno.local.json",
    "-A",
    "config/registry/with_redis.ts",
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
      `deno run -A --no-config --no-lock config/registry/run.ts ${name}`,
    );
  }
});
