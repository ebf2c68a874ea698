import { assertEquals } from "@std/assert";
import {
  type Column,
  fittingLines,
  listNames,
  tableLines,
} from "../../../src/cli/table.ts";
import { makePaint, wrap } from "../../../src/cli/terminal.ts";
import { testIo } from "./_io.ts";

interface Row {
  name: string;
  n: number;
}

const COLUMNS: Column<Row>[] = [
  { title: "name", cell: ({ name }) => name, isText: true },
  { title: "n", cell: ({ n }) => String(n) },
];

Deno.test("tableLines() puts text to the left and numbers to the right", () => {
  const rows = [{ name: "a", n: 1 }, { name: "longer", n: 100 }];
  assertEquals(tableLines(COLUMNS, rows), [
    "name      n",
    "------  ---",
    "a         1",
    "longer  100",
    "------  ---",
  ]);
});

Deno.test("tableLines() without rows is the heading and its rules", () => {
  assertEquals(tableLines(COLUMNS, []), ["name  n", "----  -", "----  -"]);
});

Deno.test("tableLines() measures what is seen: colours move nothing", () => {
  const paint = makePaint(true);
  const columns: Column<Row>[] = [{ ...COLUMNS[0]!, paint: paint.red }, COLUMNS[1]!];
  const [, , line] = tableLines(columns, [{ name: "a", n: 1 }]);
  assertEquals(line, "\x1b[31ma   \x1b[39m  1");
});

Deno.test("makePaint(false) gives every text back", () => {
  const { bold, dim, green, red, yellow } = makePaint(false);
  assertEquals(
    [bold, dim, green, red, yellow].map((style) => style("x")).join(""),
    "xxxxx",
  );
});

Deno.test("fittingLines() is the table where it fits, and else a line for each column", () => {
  const rows = [{ name: "a", n: 1 }, { name: "longer", n: 100 }, { name: "b", n: 2 }];
  const table = tableLines(COLUMNS, rows);
  assertEquals(fittingLines(COLUMNS, rows, 11), table);
  const paint = makePaint(true).red;
  const columns: Column<Row>[] = [COLUMNS[0]!, { ...COLUMNS[1]!, paint }];
  // Colours take no room; a row that fits nowhere stands alone.
  assertEquals(fittingLines(columns, rows, 10), [
    "name  a",
    `n   ${paint("  1")}`,
    "",
    "name  longer",
    `n   ${paint("     100")}`,
    "",
    "name  b",
    `n   ${paint("  2")}`,
  ]);
  assertEquals(fittingLines(COLUMNS, [...rows, ...rows], 10).length, 5 * 3 - 1);
});

Deno.test("listNames() has four names at most", () => {
  assertEquals(listNames(["a", "b", "c", "d"]), "a, b, c, d");
  assertEquals(listNames(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
});

Deno.test("wrap() breaks what is longer than the terminal, between words", () => {
  const io = testIo({ isTerminal: true, columns: 10 });
  assertEquals(wrap(io, "one two three", 2), "one two\n  three");
  assertEquals(wrap(io, "  ok   it is longer", 7), "  ok   it\n       is\n       longer");
  assertEquals(wrap(io, "unbreakable word", 0), "unbreakable\nword");
  const { red } = makePaint(true);
  assertEquals(wrap(io, `${red("fail")} a text`, 0), `${red("fail")} a\ntext`);
  // Programs read lines.
  assertEquals(wrap(testIo({ columns: 10 }), "one two three", 2), "one two three");
});
