import { assertEquals } from "@std/assert";
import { run, runAndCount } from "./run_command.ts";

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
