/** Shows what the rows found. */
// Runs alone: it is the last of the rows by its name, after those that run beside others.
import { assert, assertEquals } from "@std/assert";
import { report, table, takeFindings } from "./_report.ts";

Deno.test("fault matrix: the table of what the rows found", async () => {
  const findings = await takeFindings();
  if (findings.length > 0) console.log(`\n${table(findings)}\n`);
  await report({ row: 2, fault: "b", outcome: "o" });
  await report({ row: 1, fault: "a", outcome: "o", noticedMs: 12.4 });
  const lines = table(await takeFindings()).split("\n");
  assertEquals(lines.map((line) => line.split(/ +/)[0]), ["row", "1", "2"]);
  assert(lines[1]!.includes("12 ms"), lines[1]);
  assertEquals(await takeFindings(), []);
});
