import { assertEquals } from "@std/assert";
import { type Column, tableLines } from "../../../src/cli/table.ts";
import { makePaint } from "../../../src/cli/terminal.ts";

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
