import { assertEquals } from "@std/assert";
import { formatCounts, readCounts } from "./counts.ts";

Deno.test("readCounts() reads the summary that ends a runner's output", () => {
  const coloured =
    "\x1b[0m\x1b[32mok\x1b[0m | 12 passed (3 steps) | 0 failed \x1b[0m\x1b[38;5;245m(1s)\x1b[0m";
  assertEquals(readCounts(`${coloured}\n`), { passed: 12, failed: 0 });
  assertEquals(
    readCounts("FAILED | 5 passed | 2 failed | 1 ignored (3 steps) (11ms)\n\nerror: x\n"),
    { passed: 5, failed: 2 },
  );
});

Deno.test("readCounts() is not misled by what a test prints", () => {
  const output = [
    "ok | 99 passed | 0 failed (1ms)",
    "a test says: ok | 98 passed | 97 failed",
    "FAILED | 5 passed | 2 failed (11ms)",
    "",
  ].join("\n");
  assertEquals(readCounts(output), { passed: 5, failed: 2 });
});

Deno.test("readCounts() takes the sum that ends a task of several parts", () => {
  const output = "ok | 7 passed | 0 failed (1s)\nFAILED | 1 passed | 2 failed (1s)\n\n";
  assertEquals(readCounts(`${output}8 passed, 2 failed\n`), { passed: 8, failed: 2 });
  assertEquals(readCounts(`3 passed, 3 failed\n${output}`), { passed: 1, failed: 2 });
});

Deno.test("readCounts() finds nothing where no summary is", () => {
  assertEquals(readCounts("error: Type checking failed.\n"), { passed: 0, failed: 0 });
});

Deno.test("formatCounts() gives the line that every run ends with", () => {
  assertEquals(formatCounts({ passed: 17, failed: 2 }), "17 passed, 2 failed");
});
