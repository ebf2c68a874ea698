import { format, style } from "./_format.ts";

type Change = { type: "common" | "removed" | "added"; line: string };

/** Above this many comparisons a diff says "all of it", rather than taking seconds. */
const COMPARISONS_LIMIT = 4_000_000;

/** Lengths of the longest common subsequences of all pairs of tails of `a` and `b`. */
function commonLengths(a: string[], b: string[]): Uint32Array[] {
  const rows = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      rows[i]![j] = a[i] === b[j]
        ? rows[i + 1]![j + 1]! + 1
        : Math.max(rows[i + 1]![j]!, rows[i]![j + 1]!);
    }
  }
  return rows;
}

/** The changes that lead from `removed` to `added`; within a hunk, `removed` stands first. */
function changes(removed: string[], added: string[]): Change[] {
  const result: Change[] = [];
  const huge = removed.length * added.length > COMPARISONS_LIMIT;
  const lengths = huge ? undefined : commonLengths(removed, added);
  let i = 0;
  let j = 0;
  while (i < removed.length || j < added.length) {
    const line = removed[i];
    if (lengths && line !== undefined && j < added.length && line === added[j]) {
      result.push({ type: "common", line });
      i++;
      j++;
    } else if (
      line !== undefined && (!lengths || lengths[i + 1]![j]! >= lengths[i]![j]!)
    ) {
      result.push({ type: "removed", line });
      i++;
    } else {
      result.push({ type: "added", line: added[j]! });
      j++;
    }
  }
  return result;
}

const SWAPPED = { common: "common", removed: "added", added: "removed" } as const;

/** The changes that lead from `actual` to `expected`; the longer side's stand first. */
function diffLines(actual: string[], expected: string[]): Change[] {
  let same = 0;
  while (same < actual.length && actual[same] === expected[same]) same++;
  const head = actual.slice(0, same).map((line): Change => ({ type: "common", line }));
  const a = actual.slice(same);
  const b = expected.slice(same);
  if (b.length <= a.length) return [...head, ...changes(a, b)];
  const swapped = changes(b, a).map(({ type, line }) => ({ type: SWAPPED[type], line }));
  return [...head, ...swapped];
}

const INVISIBLE: Record<string, string> = {
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\t": "\\t",
  "\v": "\\v",
  "\r": "\\r",
  "\n": "\\n\n",
  "\r\n": "\\r\\n\n",
};

/** The lines of a string, its invisible characters made visible. */
function visibleLines(text: string): string[] {
  return text
    .replace(/\r\n|[\\\f\t\v\r\n]|[\b]/g, (character) => INVISIBLE[character]!)
    .split("\n");
}

function paint({ type, line }: Change): string {
  switch (type) {
    case "removed":
      return style(`-   ${line}`, "bold", "red");
    case "added":
      return style(`+   ${line}`, "bold", "green");
    case "common":
      return style(`    ${line}`, "white");
  }
}

/** What tells two values apart, as the lines that follow an assertion's first sentence. */
export function explainDifference(actual: unknown, expected: unknown): string {
  const diff = typeof actual === "string" && typeof expected === "string"
    ? diffLines(visibleLines(actual), visibleLines(expected))
    : diffLines(format(actual).split("\n"), format(expected).split("\n"));
  const title = style("[Diff]", "bold", "gray");
  const sides = `${style("Actual", "bold", "red")} / ${
    style("Expected", "bold", "green")
  }`;
  return ["", "", `    ${title} ${sides}`, "", "", ...diff.map(paint), ""].join("\n");
}
