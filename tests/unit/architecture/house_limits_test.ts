import { assertEquals } from "@std/assert";
import {
  countCodeLines,
  findCycles,
  type House,
  measureHouse,
  readGraph,
} from "../../support/house.ts";
import { readPackageFiles } from "../../support/layers.ts";

/** What may be reached and not passed: the house stays one that somebody can find the way in.
 * They stand where the house is: what is added takes something away, or says why not here. */
const LIMITS: Readonly<Record<keyof House, { limit: number; what: string }>> = {
  files: { limit: 232, what: "files in src" },
  codeLines: { limit: 34_290, what: "code lines in src (no comments, no blanks)" },
  modules: { limit: 168, what: "modules of ours in the graph of mod.ts" },
  exports: { limit: 108, what: "exports of mod.ts" },
  readmeLines: { limit: 300, what: "README lines" },
  cycles: { limit: 0, what: "import cycles in src, of types included" },
  longestFile: { limit: 1000, what: "lines of the longest file in src" },
};

/** The measures beside their limits, and by how much each is passed. */
function report(house: House): string {
  return Object.entries(LIMITS).map(([name, { limit, what }]) => {
    const value = house[name as keyof House];
    const verdict = value <= limit ? "ok" : `PASSED BY ${value - limit}`;
    return `${String(value).padStart(7)} of ${
      String(limit).padStart(6)
    }  ${what}: ${verdict}`;
  }).join("\n");
}

Deno.test("the house keeps to its limits", async () => {
  const readme = await Deno.readTextFile("README.md");
  const { house, cycles, longest } = measureHouse(await readPackageFiles("."), readme);
  const text = report(house);
  console.log(text);
  const details = [
    ...cycles.map((cycle) => `cycle: ${cycle.join(" → ")}`),
    ...(house.longestFile > LIMITS.longestFile.limit ? [`longest: ${longest}`] : []),
  ];
  const passed = text.split("\n").filter((line) => line.includes("PASSED BY"));
  assertEquals(passed, [], details.join("\n"));
});

Deno.test("countCodeLines() counts neither comments nor blank lines", () => {
  const text = `/** What it is. */
import { a } from "./a.ts";

/*
 * More of it.
 */
// A note.
a(); // another
`;
  assertEquals(countCodeLines(text), 2);
});

Deno.test("findCycles() finds circles of types, and of dynamic imports", () => {
  const graph = readGraph([
    { path: "src/a.ts", text: 'import type { B } from "./b.ts";' },
    { path: "src/b.ts", text: 'const c = await import("./c.ts");' },
    { path: "src/c.ts", text: 'export * from "./a.ts";' },
    { path: "src/d.ts", text: 'import "./a.ts";\nimport "npm:ioredis";' },
  ]);
  assertEquals(findCycles(graph), [["src/a.ts", "src/b.ts", "src/c.ts", "src/a.ts"]]);
});

Deno.test("measureHouse() measures each thing once", () => {
  const files = [
    {
      path: "mod.ts",
      text: 'export * from "./src/a.ts";\nexport { c as d } from "./src/b.ts";\n',
    },
    {
      path: "src/a.ts",
      text: "export const A = 1, B = 2;\nexport type A = 3;\nexport class C {}\n",
    },
    { path: "src/b.ts", text: "export function c() {}\n" },
    { path: "src/unused.ts", text: 'import type { C } from "./a.ts";\n' },
  ];
  assertEquals(measureHouse(files, "# Title\n\ntext\n").house, {
    files: 3,
    codeLines: 5,
    modules: 3,
    exports: 4,
    readmeLines: 3,
    cycles: 0,
    longestFile: 3,
  });
});
