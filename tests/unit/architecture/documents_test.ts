import { assert, assertEquals } from "@std/assert";
import { withTable } from "../../../config/generate.ts";

/** The documents of the project; those in the package are marked by `deno.json`. */
const DOCUMENTS = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "bench/README.md",
  "config/README.md",
  "config/jsr_fallback/README.md",
  "src/LIBRARIES.md",
  "src/RECIPES.md",
  "src/cli/README.md",
  "src/manager/MIGRATION.md",
  "src/observability/README.md",
  "src/resilience/README.md",
  "src/testing/README.md",
  "tests/README.md",
];

/** The headings of a document, as the anchors that GitHub and JSR make of them. */
function anchorsOf(text: string): Set<string> {
  const headings = withoutCode(text).matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      heading!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}

function withoutCode(text: string): string {
  return text.replaceAll(/^ *```[^]*?^ *```$/gm, "");
}

/** The relative links of a document. */
function linksOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link));
}

/** Whether a file is in the package, by the entries of `publish.include`. */
function isPublished(path: string, include: readonly string[]): boolean {
  return include.some((entry) =>
    path === entry || path.startsWith(`${entry}/`) ||
    (entry.startsWith("config/*") && /^config\/[^/]+$/.test(path) &&
      path.endsWith(entry.slice("config/*".length)))
  );
}

Deno.test("documents link to files and headings that exist, published ones to published ones", async () => {
  const { publish } = JSON.parse(await Deno.readTextFile("deno.json"));
  const wrong: string[] = [];
  let count = 0;
  for (const path of DOCUMENTS) {
    const text = await Deno.readTextFile(path);
    for (const link of linksOf(text)) {
      count++;
      const target = new URL(link, `file:///${path}`);
      const file = target.pathname.slice(1);
      const found = await Deno.readTextFile(file).catch(() => undefined);
      const anchor = target.hash.slice(1);
      if (found === undefined) wrong.push(`${path}: ${link} does not exist`);
      else if (anchor !== "" && !anchorsOf(found).has(anchor)) {
        wrong.push(`${path}: ${link} has no such heading`);
      } else if (
        isPublished(path, publish.include) && !isPublished(file, publish.include)
      ) {
        wrong.push(`${path}: ${link} is not in the package`);
      }
    }
  }
  assertEquals(wrong, []);
  assert(count > 20, `${count} links were found`);
});

Deno.test("the tables of the documents are fresh (config/generate.ts writes them)", async () => {
  for (const path of DOCUMENTS) {
    const text = await Deno.readTextFile(path);
    assertEquals(withTable(text) === text, true, `${path} is stale`);
  }
});
