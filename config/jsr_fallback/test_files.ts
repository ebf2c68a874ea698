/** The files of a run of tests, in the order to run them. */
export interface TestFiles {
  /** Files that run beside each other. */
  together: string[];
  /** Files that run one after the other, when nothing else does. */
  alone: string[];
}

/** How long the tests of each file took, in seconds, by its path. */
export type TestTimes = Readonly<Record<string, number>>;

/** What `deno test` takes for a file of tests in a folder. */
const TEST_FILE = /(?:^|[._])test\.(?:ts|tsx|mts|js|jsx|mjs)$/;

/** The line, with the reason after the colon, by which a file asks to run alone. */
const ALONE = /^\/\/ Runs alone: \S/m;

function absolute(root: string, path: string): string {
  return path.startsWith("/") ? path : `${root}/${path}`;
}

async function* walk(root: string, path: string): AsyncGenerator<string> {
  if ((await Deno.stat(absolute(root, path))).isFile) return yield path;
  for await (const { name, isDirectory } of Deno.readDir(absolute(root, path))) {
    if (isDirectory && !/^\.|^node_modules$/.test(name)) {
      yield* walk(root, `${path}/${name}`);
    } else if (TEST_FILE.test(name)) yield `${path}/${name}`;
  }
}

/**
 * Finds the files of tests under some paths. Those that take long come first, so that none
 * of them is left to run when all others are done.
 *
 * @param root Absolute path of the project.
 * @param paths Files and folders that exist; relative ones start at the project.
 * @param times How long files took before; an unknown one counts as long, by its size.
 * @returns The files.
 */
export async function findTestFiles(
  root: string,
  paths: readonly string[],
  times: TestTimes = {},
): Promise<TestFiles> {
  const files = new Set<string>();
  for (const path of paths) {
    const tidy = path.replace(`${root}/`, "").replace(/^\.\//, "").replace(/\/+$/, "");
    for await (const file of walk(root, tidy)) files.add(file);
  }
  const lengths = new Map<string, number>();
  const alone: string[] = [];
  for (const file of files) {
    const text = await Deno.readTextFile(absolute(root, file));
    if (ALONE.test(text)) alone.push(file);
    else lengths.set(file, times[file] ?? 1e6 + text.length);
  }
  const together = [...lengths].sort(([, a], [, b]) => b - a).map(([file]) => file);
  return { together, alone: alone.sort() };
}

/**
 * Reads how long the tests of each file took.
 *
 * @param report What `deno test --junit-path` wrote.
 * @returns The times.
 */
export function readTestTimes(report: string): TestTimes {
  const times: Record<string, number> = {};
  let file = "";
  const elements = /<testsuite name="(?:\.\/)?([^"]*)"|<testcase [^>]*\btime="([\d.]+)"/g;
  for (const [, suite, seconds] of report.matchAll(elements)) {
    file = suite ?? file;
    times[file] = (times[file] ?? 0) + Number(seconds ?? 0);
  }
  return times;
}
