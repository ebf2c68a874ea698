import { formatNumber } from "../../src/cli/numbers.ts";
import type { SimulationReport, StormRow } from "./types.ts";

/** A table of the simulation, for a terminal and for the page. */
export interface SimulationTable {
  /** What it holds. */
  readonly caption: string;
  /** Headings; the first column names the row. */
  readonly titles: readonly string[];
  /** The cells; `null` where there is no figure. */
  readonly rows: readonly (readonly (number | string | null)[])[];
}

function table<R>(
  caption: string,
  rows: readonly R[],
  cells: Readonly<Record<string, (row: R) => number | string | null>>,
): SimulationTable {
  const read = Object.values(cells);
  return {
    caption,
    titles: Object.keys(cells),
    rows: rows.map((row) => read.map((cell) => cell(row))),
  };
}

/** What a row of a storm has, or what was taken away from it. */
export function nameOf({ without }: StormRow): string {
  return without.length === 0 ? "as shipped" : `without ${without.join(" and ")}`;
}

function stormTable(what: string, rows: readonly StormRow[]): SimulationTable {
  return table(`${what}; an instance, the worst of all seeds`, rows, {
    "What is there": nameOf,
    "Connects, worst second": ({ worstSecond }) => worstSecond,
    "Worst second, back": ({ worstSecondBack }) => worstSecondBack,
    "Worst 100 ms, back": ({ worstBinBack }) => worstBinBack,
    "Connects in all": ({ connects }) => connects,
    "A command reached the server, times": ({ calls }) => calls,
    "Breakers that opened": ({ trips }) => trips,
    "Last failure, s": ({ failedForMs }) => failedForMs / 1000,
  });
}

/** Every table of a report. */
export function tablesOf(report: SimulationReport): SimulationTable[] {
  const { clients, hangUps, loads, outages, queue, scale, storms } = report;
  const away = `away for ${storms.awayMs / 1000} s`;
  return [
    table(`Waits for a lease, ${queue.rate} leases a second`, queue.rows, {
      "Latency, ms": ({ latencyMs }) => latencyMs,
      "Leases": ({ leases }) => leases,
      "Load, %": ({ load }) => load * 100,
      "Mean, ms": ({ meanWaitMs }) => meanWaitMs,
      "Mean by seed, ms": ({ meanRangeMs }) =>
        meanRangeMs.map((n) => formatNumber(n)).join(" to "),
      "Erlang C, ms": ({ theoryMs }) => theoryMs,
      "p99, ms": ({ p99WaitMs }) => p99WaitMs,
      "In vain, %": ({ timedOut }) => timedOut * 100,
    }),
    stormTable(`Restart: ${storms.instances} instances, ${away}`, storms.rows),
    table(`Restart, ${away}: by the number of instances`, scale.rows, {
      "Instances": ({ instances }) => instances,
      "Connects, worst second": ({ allWorstSecond }) => allWorstSecond,
      "An instance": ({ worstSecond }) => worstSecond,
      "Worst second, back": ({ allWorstSecondBack }) => allWorstSecondBack,
      "An instance, back": ({ worstSecondBack }) => worstSecondBack,
      "Dropped": ({ dropped }) => dropped,
      "Last failure, s": ({ failedForMs }) => failedForMs / 1000,
    }),
    table(`Outages by their length: ${outages.instances} instances`, outages.rows, {
      "Away, s": ({ awayMs }) => awayMs / 1000,
      "All back after, s": ({ allBackMs }) => allBackMs / 1000,
      "Last failure, s": ({ failedForMs }) => failedForMs / 1000,
      "An instance, worst second": ({ worstSecond }) => worstSecond,
      "Worst second, back": ({ worstSecondBack }) => worstSecondBack,
      "A second before the return": ({ steady }) => steady,
    }),
    stormTable(
      `A server that hangs up at the first command, for ${hangUps.seconds} s: ` +
        `${hangUps.instances} instances`,
      hangUps.rows,
    ),
    table("Replies of a server that is well, 0.5 ms away", loads, {
      "Commands a second": ({ perSecond }) => perSecond,
      "io-threads": ({ ioThreads }) => ioThreads,
      "Main thread busy, %": ({ load }) => load * 100,
      "Mean, ms": ({ meanMs }) => meanMs,
      "M/D/1, ms": ({ theoryMs }) => theoryMs,
    }),
    table(`Connections against a maxclients of ${report.maxClients}`, clients, {
      "Instances": ({ instances }) => instances,
      "max_connections": ({ maxConnections }) => maxConnections,
      "Wanted": ({ wanted }) => wanted,
      "Had": ({ had }) => had,
      "Refused": ({ refused }) => refused,
      "Instances without any": ({ without }) => without,
      "Largest max_connections": ({ largestPool }) => largestPool,
    }),
  ];
}
