/**
 * Simulates many instances of the manager on fake time, and prints what follows for its
 * defaults.
 *
 * ```sh
 * deno run --config deno.local.json -A bench/simulate.ts --quick
 * ```
 *
 * - `--quick`: up to 1,000 instances, in less than 20 s; without it up to 10,000
 * - `--json FILE`, `--html FILE`: write the numbers, and a page of them
 *
 * @module
 */
import { parseArgs } from "node:util";
import { formatNumber } from "../src/cli/numbers.ts";
import { type Column, tableLines } from "../src/cli/table.ts";
import { conclusions } from "./simulation/conclusions.ts";
import { FULL, QUICK, simulate } from "./simulation/run.ts";
import { simulationPage } from "./simulation/section.ts";
import { type SimulationTable, tablesOf } from "./simulation/tables.ts";

function printTable({ caption, rows, titles }: SimulationTable): void {
  const columns = titles.map((title, i): Column<typeof rows[number]> => ({
    title,
    cell: (row) => {
      const value = row[i];
      return typeof value === "number" ? formatNumber(value) : value ?? "–";
    },
  }));
  console.log(`\n${caption}\n${tableLines(columns, rows).join("\n")}`);
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      html: { type: "string" },
    },
  });
  const report = await simulate(values.quick ? QUICK : FULL);
  for (const table of tablesOf(report)) printTable(table);
  console.log(`\n${conclusions(report).map((words) => `- ${words}`).join("\n")}`);
  if (values.json !== undefined) {
    await Deno.writeTextFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (values.html !== undefined) {
    await Deno.writeTextFile(values.html, simulationPage(report));
  }
}
