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
import { formatNumber } from "../src/cli/tune/report/number_style.ts";
import { type Column, tableLines } from "../src/cli/table.ts";
import { conclusions } from "./simulation/conclusions.ts";
import { FULL, QUICK, simulate } from "./simulation/run.ts";
import { simulationPage } from "./simulation/section.ts";
import type { SimulationReport } from "./simulation/types.ts";

const SEED = 1;

function print<R>(
  title: string,
  rows: readonly R[],
  cells: Record<string, (row: R) => number | string | null>,
): void {
  const columns = Object.entries(cells).map(([title, cell]): Column<R> => ({
    title,
    cell: (row) => {
      const value = cell(row);
      return typeof value === "number" ? formatNumber(value) : value ?? "–";
    },
  }));
  console.log(`\n${title}\n${tableLines(columns, rows).join("\n")}`);
}

function printAll(report: SimulationReport): void {
  const { queue, clients, storms, flaps } = report;
  print(`Waits for a lease, ${queue.rate} leases a second`, queue.rows, {
    "latency ms": ({ latencyMs }) => latencyMs,
    leases: ({ leases }) => leases,
    "load %": ({ load }) => load * 100,
    "mean ms": ({ meanWaitMs }) => meanWaitMs,
    "Erlang C ms": ({ theoryMs }) => theoryMs === null ? null : theoryMs.toPrecision(3),
    "p99 ms": ({ p99WaitMs }) => p99WaitMs,
    "in vain %": ({ timedOut }) => timedOut * 100,
  });
  print(`Connections, maxclients ${report.maxClients}`, clients, {
    instances: ({ instances }) => instances,
    max_connections: ({ maxConnections }) => maxConnections,
    had: ({ had }) => had,
    refused: ({ refused }) => refused,
    "instances without": ({ without }) => without,
    "largest pool": ({ largestPool }) => largestPool,
  });
  const seconds = storms.awayMs / 1000;
  print(`Restart: ${storms.instances} instances, away for ${seconds} s`, storms.rows, {
    breaker: ({ breaker }) => breaker ? "on" : "off",
    jitter: ({ jitter }) => jitter ? "on" : "off",
    "peak away /100 ms": ({ peakAway }) => peakAway,
    "peak back /100 ms": ({ peakBack }) => peakBack,
    trips: ({ trips }) => trips,
    "last failure after s": ({ failedForMs }) => failedForMs / 1000,
  });
  print(`Flapping server: ${flaps.instances} instances, retries`, flaps.rows, {
    budget: ({ budget }) => budget ? "on" : "off",
    "commands": ({ asked }) => asked,
    "in all": ({ retries }) => retries.reduce((sum, n) => sum + n, 0),
    "most in a second": ({ retries }) => Math.max(...retries),
  });
  console.log(`\n${conclusions(report).map((words) => `- ${words}`).join("\n")}`);
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
  const report = await simulate(values.quick ? QUICK : FULL, SEED);
  printAll(report);
  if (values.json !== undefined) {
    await Deno.writeTextFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (values.html !== undefined) {
    await Deno.writeTextFile(values.html, simulationPage(report));
  }
}
