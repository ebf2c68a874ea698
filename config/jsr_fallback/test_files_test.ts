import { assertEquals } from "@std/assert";
import { findTestFiles, readTestTimes } from "./test_files.ts";

/** A project of files with these texts. */
async function project(
  files: Record<string, string>,
): Promise<{ root: string } & AsyncDisposable> {
  const root = await Deno.makeTempDir();
  for (const [file, text] of Object.entries(files)) {
    await Deno.mkdir(`${root}/${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${root}/${file}`, text);
  }
  return { root, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

const FILES = {
  "tests/a_test.ts": "a",
  "tests/b_test.ts": "bb",
  "tests/c/d_test.ts": "import x;\n\n// Runs alone: it fills memory.\nd",
  "tests/c/e_test.ts": "// Runs alone:\nlacks a reason",
  "tests/c/_child.ts": "",
  "tests/node_modules/x/y_test.ts": "",
};

Deno.test("findTestFiles() finds what deno test would, and what asks to run alone", async () => {
  await using given = await project(FILES);
  assertEquals(await findTestFiles(given.root, ["tests"]), {
    together: ["tests/c/e_test.ts", "tests/b_test.ts", "tests/a_test.ts"],
    alone: ["tests/c/d_test.ts"],
  });
});

Deno.test("findTestFiles() starts with what is unknown or took long", async () => {
  await using given = await project(FILES);
  const times = { "tests/a_test.ts": 20, "tests/c/e_test.ts": 3 };
  const { together } = await findTestFiles(given.root, ["tests"], times);
  assertEquals(together, ["tests/b_test.ts", "tests/a_test.ts", "tests/c/e_test.ts"]);
});

Deno.test("findTestFiles() takes a file however it is named, and once", async () => {
  await using given = await project(FILES);
  const { root } = given;
  const paths = ["./tests/c/", `${root}/tests/c/e_test.ts`, "tests/c/_child.ts"];
  assertEquals((await findTestFiles(root, paths)).together, [
    "tests/c/e_test.ts",
    "tests/c/_child.ts",
  ]);
});

Deno.test("readTestTimes() sums what the tests of a file took", () => {
  const report = `<testsuites name="deno test" tests="3" time="9">
    <testsuite name="./tests/a_test.ts" tests="2">
      <testcase name="x time=&quot;7&quot;" classname="./tests/a_test.ts" time="0.5" line="1">
      </testcase>
      <testcase name="y" classname="./tests/a_test.ts" time="1.25" line="2"></testcase>
    </testsuite>
    <testsuite name="./tests/b_test.ts" tests="1">
      <testcase name="z" classname="./tests/b_test.ts" time="2" line="1"></testcase>
    </testsuite>`;
  assertEquals(readTestTimes(report), { "tests/a_test.ts": 1.75, "tests/b_test.ts": 2 });
});
