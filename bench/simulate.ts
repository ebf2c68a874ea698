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
import type { SimulationReport, StormRow } from "./simulation/types.ts";

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

function printStorms(title: string, rows: readonly StormRow[]): void {
  print(`${title}; an instance, the worst of all seeds`, rows, {
    without: ({ without }) => without.join(" and ") || "nothing",
    "connects, worst second": ({ worstSecond }) => worstSecond,
    "worst second back": ({ worstSecondBack }) => worstSecondBack,
    "worst 100 ms back": ({ worstBinBack }) => worstBinBack,
    "in all": ({ connects }) => connects,
    "calls a command": ({ calls }) => calls,
    "trips": ({ trips }) => trips,
    "last failure after s": ({ failedForMs }) => failedForMs / 1000,
  });
}

function printAll(report: SimulationReport): void {
  const { clients, hangUps, loads, outages, queue, scale, storms } = report;
  print(`Waits for a lease, ${queue.rate} leases a second`, queue.rows, {
    "latency ms": ({ latencyMs }) => latencyMs,
    leases: ({ leases }) => leases,
    "load %": ({ load }) => load * 100,
    "mean ms": ({ meanWaitMs }) => meanWaitMs,
    "of the seeds": ({ meanRangeMs }) =>
      meanRangeMs.map((n) => formatNumber(n)).join(" to "),
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
  print("Replies of a server that is well", loads, {
    "commands/s": ({ perSecond }) => perSecond,
    "io-threads": ({ ioThreads }) => ioThreads,
    "busy %": ({ load }) => load * 100,
    "mean ms": ({ meanMs }) => meanMs,
    "M/D/1 ms": ({ theoryMs }) => theoryMs,
  });
  const away = `away for ${storms.awayMs / 1000} s`;
  printStorms(`Restart: ${storms.instances} instances, ${away}`, storms.rows);
  print(`Restart, ${away}: by the number of instances`, scale.rows, {
    instances: ({ instances }) => instances,
    "connects, worst second": ({ allWorstSecond }) => allWorstSecond,
    "an instance": ({ worstSecond }) => worstSecond,
    "worst second back": ({ allWorstSecondBack }) => allWorstSecondBack,
    "of them": ({ worstSecondBack }) => worstSecondBack,
    dropped: ({ dropped }) => dropped,
    "last failure after s": ({ failedForMs }) => failedForMs / 1000,
  });
  print(`Outages by their length: ${outages.instances} instances`, outages.rows, {
    "away s": ({ awayMs }) => awayMs / 1000,
    "all back after s": ({ allBackMs }) => allBackMs / 1000,
    "last failure after s": ({ failedForMs }) => failedForMs / 1000,
    "an instance, worst second": ({ worstSecond }) => worstSecond,
    "worst second back": ({ worstSecondBack }) => worstSecondBack,
    "a second before the return": ({ steady }) => steady,
  });
  printStorms(
    `A server that hangs up for ${hangUps.seconds} s: ${hangUps.instances} instances`,
    hangUps.rows,
  );
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
  const report = await simulate(values.quick ? QUICK : FULL);
  printAll(report);
  if (values.json !== undefined) {
    await Deno.writeTextFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (values.html !== undefined) {
    await Deno.writeTextFile(values.html, simulationPage(report));
  }
}
