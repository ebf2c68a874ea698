/** Prints what the faults came to. */
// Runs alone: it is the last file by its name, after those that run in parallel.
import { assert, assertEquals } from "@std/assert";
import { report, table, takeFindings } from "./_report.ts";

Deno.test("fault matrix: the table of findings", async () => {
  const findings = await takeFindings();
  if (findings.length > 0) console.log(`\n${table(findings)}\n`);
  await report({ row: 2, fault: "b", outcome: "o" });
  await report({ row: 1, fault: "a", outcome: "o", noticedMs: 12.4 });
  const lines = table(await takeFindings()).split("\n");
  assertEquals(lines.map((line) => line.split(/ +/)[0]), ["row", "1", "2"]);
  assert(lines[1]!.includes("12 ms"), lines[1]);
  assertEquals(await takeFindings(), []);
});

Deno.test("fault matrix: tests/README.md lists each file, with the rows that it reports", async () => {
  const readme = await Deno.readTextFile("tests/README.md");
  const lines = readme.matchAll(/^\| ([\d, ]+|–) +\|[^|]+\| `(\w+_test\.ts)` +\|$/gm);
  const listed = new Map<string, Set<string>>();
  for (const [, rows, file] of lines) {
    const known = listed.get(file!) ?? new Set();
    listed.set(file!, new Set([...known, ...rows!.match(/\d+/g) ?? []]));
  }
  const files: string[] = [];
  for await (const { name } of Deno.readDir("tests/live/faults")) {
    if (!name.endsWith("_test.ts") || name.startsWith("zz_")) continue;
    files.push(name);
    const text = await Deno.readTextFile(`tests/live/faults/${name}`);
    for (const [, row] of text.matchAll(/\brow: (\d+),/g)) {
      assert(listed.get(name)?.has(row!), `tests/README.md: row ${row} is ${name}`);
    }
  }
  assertEquals([...listed.keys()].sort(), files.sort());
});
