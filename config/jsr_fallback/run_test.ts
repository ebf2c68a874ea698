import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ROOT } from "./paths.ts";

Deno.test("the task test says in a sentence that there is no Redis server, and runs nothing", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", "--no-lock", "config/jsr_fallback/run.ts", "test"],
    cwd: ROOT,
    env: { REDIS_SERVER: "/no/such/server", NO_COLOR: "1" },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([code, out], [1, "0 passed, 1 failed\n"], err);
  assertStringIncludes(err!, 'REDIS_SERVER names "/no/such/server"');
  assertStringIncludes(err!, "No test was run.");
});

Deno.test("the task test runs files beside each other, then those that run alone, and adds them up", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const write = (name: string, text: string) =>
      Deno.writeTextFile(`${folder}/${name}_test.ts`, text);
    await write(
      "a",
      "// Runs alone: it comes first by its name.\nDeno.test('x', () => {});",
    );
    await write("b", "Deno.test('y', () => {});");
    await write("c", "Deno.test('z', () => { throw new Error('of z'); });");
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [...["run", "-A", "--no-config", "--no-lock"], "config/jsr_fallback/run.ts"]
        .concat("test", folder),
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stderr: "null",
    }).output();
    const out = new TextDecoder().decode(stdout);
    assertEquals(
      [code, out.trimEnd().split("\n").at(-1)],
      [1, "2 passed, 1 failed"],
      out,
    );
    assertMatch(out, /y \.\.\. ok[^]*x \.\.\. ok/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
