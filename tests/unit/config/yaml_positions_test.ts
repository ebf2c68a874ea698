import process from "node:process";
import { assertEquals } from "@std/assert";
import { locateYaml } from "../../../src/config/sources/yaml_positions.ts";

/** Where an entry's key and value stand, as `line:column line:column`. */
function at(text: string, ...path: string[]): string | undefined {
  const positions = locateYaml(text);
  const entry = positions.get(path);
  if (entry === undefined) return undefined;
  const [key, value] = [positions.position(entry.key), positions.position(entry.value)];
  return `${key.line}:${key.column} ${value.line}:${value.column}`;
}

Deno.test("locateYaml() finds keys and values in block mappings", () => {
  const text =
    "a: 1\n\n# note\nb:\n  c: two words\n  'd' : \"x\"\n  e:\n    f: 5\ng: 6\n";
  assertEquals(at(text, "a"), "1:1 1:4");
  assertEquals(at(text, "b"), "4:1 4:1");
  assertEquals(at(text, "b", "c"), "5:3 5:6");
  assertEquals(at(text, "b", "d"), "6:3 6:9");
  assertEquals(at(text, "b", "e", "f"), "8:5 8:8");
  assertEquals(at(text, "g"), "9:1 9:4");
});

Deno.test("locateYaml() finds list items, also at the column of their key", () => {
  const text = "a:\n- x\n- k: 1\n  l: 2\nb:\n  - - y\n    - z\n";
  assertEquals(at(text, "a", "0"), "2:1 2:3");
  assertEquals(at(text, "a", "1", "k"), "3:3 3:6");
  assertEquals(at(text, "a", "1", "l"), "4:3 4:6");
  assertEquals(at(text, "b", "0", "0"), "6:5 6:7");
  assertEquals(at(text, "b", "0", "1"), "7:5 7:7");
});

Deno.test("locateYaml() finds entries in flow style, over several lines", () => {
  const text = "a: {b: 1, 'c': [x, {d: 2}],\n  e: {f: 3}} # end\ng: 4\n";
  assertEquals(at(text, "a", "b"), "1:5 1:8");
  assertEquals(at(text, "a", "c"), "1:11 1:16");
  assertEquals(at(text, "a", "c", "1", "d"), "1:21 1:24");
  assertEquals(at(text, "a", "e", "f"), "2:7 2:10");
  assertEquals(at(text, "g"), "3:1 3:4");
});

Deno.test("locateYaml() is not misled by what scalars hold", () => {
  const text = [
    "a: |",
    "  b: 1",
    "",
    "    \tc: 2",
    "\t",
    "  - d",
    'e: "x: {y',
    '  : z"',
    "f: one",
    "  two: not a key",
    "g: http://host:1/#x",
    "h: it's # a 'comment",
    "i: ok",
  ].join("\n");
  const entries = locateYaml(text);
  const { tab } = entries;
  const keys = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
  const found = keys.filter((key) => entries.get([key]) !== undefined);
  assertEquals(found, ["a", "e", "f", "g", "h", "i"]);
  const lines = found.map((key) => entries.position(entries.get([key])!.key).line);
  assertEquals(lines, [1, 7, 9, 11, 12, 13]);
  assertEquals(tab, undefined);
});

Deno.test("locateYaml() skips anchors, tags and document marks", () => {
  const text = "%YAML 1.2\n--- # start\na: &x !!str 1\nb: *x\nc: &y\n  d: 2\n...\n";
  const entries = locateYaml(text);
  const { second } = entries;
  assertEquals(at(text, "a"), "3:1 3:13");
  assertEquals(at(text, "b"), "4:1 4:4");
  assertEquals(at(text, "c", "d"), "6:3 6:6");
  assertEquals(entries.position(second!), { line: 7, column: 1 });
  assertEquals(entries.find(["b", "z"]), entries.find(["b"]));
});

Deno.test("locateYaml() finds the first tab that indents a line", () => {
  const entries = locateYaml("a:\n  b: 1\n \tc: 2\n");
  assertEquals(entries.position(entries.tab!), { line: 3, column: 2 });
  for (const fine of ["a:\t1\n", "a: 1\n\t\nb: 2\n", "\t# note\na: 1", "a: {\n\tb: 1}"]) {
    assertEquals(locateYaml(fine).tab, undefined, JSON.stringify(fine));
  }
});

Deno.test("locateYaml() finds the first key that is given twice", () => {
  for (
    const [text, position] of [
      ["a:\n  b: 1\n  c: 2\n  b: 3\n", { line: 4, column: 3 }],
      ["a: {b: 1, b: 2}", { line: 1, column: 11 }],
    ] as const
  ) {
    const entries = locateYaml(text);
    const { path, at } = entries.duplicate!;
    assertEquals([entries.position(at), path], [position, ["a", "b"]]);
  }
  assertEquals(locateYaml("a: {b: 1}\nc: {b: 1}\n").duplicate, undefined);
});

Deno.test("locateYaml() tells quoted values from plain ones", () => {
  const entries = locateYaml("a: 'null'\nb: null\nc: [\"~\", ~]\nd:\n  'null'\n");
  const quoted = [["a"], ["b"], ["c", "0"], ["c", "1"], ["d"]].map((path) =>
    entries.get(path)?.quoted
  );
  assertEquals(quoted, [true, false, true, false, true]);
});

Deno.test("locateYaml() ends on any text, however broken", () => {
  const broken = [
    "'",
    '"\\',
    "{",
    "[",
    "{a: [",
    "a: {]}",
    "a: }",
    "- - - -",
    "? a",
    ": b",
    "a: |",
    "a: &",
    "!",
    "\uFEFFa: 1",
    "a:\r\nb:\r\n",
    "{".repeat(10_000),
    "- ".repeat(10_000),
    "a: {".repeat(5000),
  ];
  for (const text of broken) locateYaml(text);
  assertEquals(at("\uFEFFa: 1", "a"), "1:1 1:4");
});

Deno.test("locateYaml() takes time linear in the text", () => {
  const ms = (text: string): number => {
    // Time of this process alone, however busy the machine is.
    const before = process.cpuUsage();
    locateYaml(text);
    return process.cpuUsage(before).user / 1000;
  };
  const shapes = ["key%: 1\n", "[", "- ", "'a: ", "a: {b: ", "  ", "# x\n", "|\n", "a#"];
  for (const shape of shapes) {
    const text = (n: number): string =>
      Array.from({ length: n }, (_, i) => shape.replace("%", String(i))).join("");
    ms(text(2000));
    // 200 KB: far beyond any quadratic reading in this time.
    const took = ms(text(Math.floor(200_000 / shape.length)));
    assertEquals(took < 5000, true, `${JSON.stringify(shape)} took ${took} ms`);
  }
});
