import { assertEquals } from "@std/assert";
import { run, runAndCount, runTests } from "./run_command.ts";

function printing(text: string, code: number): string[] {
  return ["eval", `console.log(${JSON.stringify(text)}); Deno.exit(${code})`];
}

Deno.test("run() hands on the exit code", async () => {
  assertEquals(await run({ args: ["eval", "Deno.exit(3)"], cwd: "." }), 3);
});

Deno.test("runAndCount() counts what the runner printed", async () => {
  assertEquals(
    await runAndCount({ args: printing("ok | 2 passed | 0 failed (1ms)", 0), cwd: "." }),
    { code: 0, counts: { passed: 2, failed: 0 } },
  );
  assertEquals(
    await runAndCount({
      args: printing("FAILED | 2 passed | 1 failed (1ms)", 1),
      cwd: ".",
    }),
    { code: 1, counts: { passed: 2, failed: 1 } },
  );
});

Deno.test("runAndCount() counts one failed when a runner fails without a failed test", async () => {
  assertEquals(
    await runAndCount({ args: printing("error: Type checking failed.", 1), cwd: "." }),
    { code: 1, counts: { passed: 0, failed: 1 } },
  );
});

Deno.test("runAndCount() counts one failed when no test ran", async () => {
  assertEquals(
    await runAndCount({ args: printing("ok | 0 passed | 0 failed (0ms)", 0), cwd: "." }),
    { code: 0, counts: { passed: 0, failed: 1 } },
  );
});

Deno.test("runTests() ends a run that says nothing any more, and names what hangs", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/a_test.ts`;
  try {
    const tests = ["good", "hangs"].map((name) => `Deno.test("${name}", () => {});`);
    await Deno.writeTextFile(file, tests.join("\n"));
    const { code, counts } = await runTests({
      program: "sh",
      args: ["-c", "echo 'good ... ok (1ms)'; exec sleep 600", file],
      cwd: folder,
    }, 5000);
    assertEquals({ code, counts }, { code: 137, counts: { passed: 1, failed: 1 } });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "runTests() does not wait for what a run has left running",
  // On Deno 2.8 a read of a pipe goes on when its stream was cancelled.
  sanitizeOps: !Deno.version.deno.startsWith("2.8."),
  fn: async () => {
    const { code, counts } = await runTests({
      program: "sh",
      args: ["-c", "sleep 60 & echo 'ok | 2 passed | 0 failed (1ms)'"],
      cwd: ".",
    });
    assertEquals({ code, counts }, { code: 0, counts: { passed: 2, failed: 0 } });
  },
});
