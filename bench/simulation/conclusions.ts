import { formatNumber } from "../../src/cli/numbers.ts";
import type { Mechanism, QueueRow, SimulationReport, StormRow } from "./types.ts";

/** What the configuration's defaults are judged by in the queue: the pool's wait may add
 * so much to 99 of 100 leases, as a share of the time that a lease is held. */
const WAIT_SHARE = 1;

/**
 * The fewest leases with which hardly anybody waits.
 *
 * @param report What was found.
 * @param latencyMs Which of its latencies.
 * @returns The row; `undefined` if no pool of the report is large enough.
 */
export function enoughLeases(
  { queue }: SimulationReport,
  latencyMs: number,
): QueueRow | undefined {
  return queue.rows.find((row) => {
    const heldMs = row.load * row.leases * 1000 / queue.rate;
    return row.latencyMs === latencyMs && row.timedOut === 0 &&
      row.p99WaitMs <= WAIT_SHARE * heldMs;
  });
}

/**
 * What the numbers say of the configuration's defaults.
 *
 * @param report What was found.
 * @returns A sentence or two for each, made of the numbers.
 */
export function conclusions(report: SimulationReport): string[] {
  return [
    sizeForLatency(report),
    acquireTimeout(report),
    sizeForServer(report),
    ioThreads(report),
    connects(report),
    spacing(report),
    jitter(report),
    recovery(report),
    budget(report),
  ];
}

function sizeForLatency(report: SimulationReport): string {
  const { queue, defaults } = report;
  const latencies = [...new Set(queue.rows.map(({ latencyMs }) => latencyMs))];
  const sizes = latencies.map((latencyMs) =>
    `${
      enoughLeases(report, latencyMs)?.leases ?? "more than any here"
    } at ${latencyMs} ms`
  );
  const leases = defaults.maxConnections - 1;
  const farthest = latencies.findLast((latencyMs) =>
    (enoughLeases(report, latencyMs)?.leases ?? Infinity) <= leases
  );
  const verdict = farthest === undefined
    ? "is too small for all of them"
    : `is enough up to ${farthest} ms`;
  return `max_connections: ${queue.rate} leases a second of ${queue.trips} round trips ` +
    `need ${sizes.join(", ")}. The default of ${defaults.maxConnections} (${leases} ` +
    `leases and a lane) ${verdict}.`;
}

function acquireTimeout({ queue, defaults }: SimulationReport): string {
  const stable = queue.rows.filter(({ load }) => load < 0.9);
  const longest = Math.max(...stable.map(({ p99WaitMs }) => p99WaitMs));
  const lost = Math.max(...stable.map(({ timedOut }) => timedOut));
  const times = formatNumber(defaults.acquireTimeoutMs / longest);
  return `acquire_timeout: where connections are leased for less than 90 % of the time, ` +
    `99 of 100 wait ${formatNumber(longest)} ms at most; the default of ` +
    `${formatNumber(defaults.acquireTimeoutMs)} ms is ${times} times that, and ` +
    `${lost === 0 ? "nobody" : `${formatNumber(lost * 100)} %`} waited in vain.`;
}

function sizeForServer({ clients, defaults, maxClients }: SimulationReport): string {
  const { maxConnections } = defaults;
  const most = Math.floor(maxClients / maxConnections);
  const usual = clients.filter((row) => row.maxConnections === maxConnections);
  const over = usual.find(({ refused }) => refused > 0);
  const beyond = over === undefined
    ? "no number of instances here was refused any"
    : `${formatNumber(over.instances)} were refused ${formatNumber(over.refused)} of ` +
      `${formatNumber(over.wanted)}, and ${formatNumber(over.without)} had none at all`;
  return `max_connections: with the default of ${maxConnections}, ` +
    `${formatNumber(most)} instances fit a maxclients of ${formatNumber(maxClients)}; ` +
    `${beyond}. Beyond that, set it to maxclients divided by the instances.`;
}

function ioThreads({ loads }: SimulationReport): string {
  const most = (threads: number) =>
    Math.max(
      0,
      ...loads.filter((row) => row.ioThreads === threads && row.load < 1)
        .map(({ perSecond }) => perSecond),
    );
  const threads = [...new Set(loads.map((row) => row.ioThreads))];
  const carried = threads.map((count) =>
    `${formatNumber(most(count))} with io-threads ${count}`
  );
  return `io-threads: of ${formatNumber(Math.max(...loads.map((r) => r.perSecond)))} ` +
    `commands a second and fewer, the server keeps up with ${carried.join(", ")}; no ` +
    "setting of the pool changes that.";
}

function row(rows: readonly StormRow[], ...without: Mechanism[]): StormRow {
  return rows.find((row) => row.without.join() === without.join())!;
}

function connects({ scale, seeds }: SimulationReport): string {
  const [least, most] = [scale.rows[0]!, scale.rows.at(-1)!];
  return `Connects a second, in a restart: ${formatNumber(most.instances)} instances ` +
    `make ${formatNumber(most.allWorstSecond)} in the worst second, ` +
    `${formatNumber(most.worstSecond)} each, and ` +
    `${
      formatNumber(most.allWorstSecondBack)
    } in the worst one after the server is back; ` +
    `${formatNumber(least.instances)} makes ${formatNumber(least.allWorstSecond)} and ` +
    `${
      formatNumber(least.allWorstSecondBack)
    } (the worst of ${seeds.length} seeds). They ` +
    "grow with the instances, and with nothing else.";
}

function spacing({ hangUps, outages, storms }: SimulationReport): string {
  const [shipped, bare] = [row(storms.rows), row(storms.rows, "backoff")];
  const cut = row(hangUps.rows, "breaker", "retry budget");
  const longest = outages.rows.at(-1)!;
  return `What bounds them is the distance between two attempts to reach one server, ` +
    `which grows with the outage: an instance makes ${
      formatNumber(shipped.worstSecond)
    } ` +
    `in the first second and ${formatNumber(longest.steady)} a second after ` +
    `${formatNumber(longest.awayMs / 60_000)} minutes, ${
      formatNumber(shipped.connects)
    } ` +
    `in all in a restart, and ${formatNumber(bare.connects)} if the distance does not ` +
    `grow. At a server that takes each connection and hangs up it makes ` +
    `${formatNumber(cut.worstSecond)} in the worst second, at ${
      formatNumber(hangUps.rate)
    } ` +
    "commands a second and with no retry budget.";
}

function jitter({ storms }: SimulationReport): string {
  const share = (...without: Mechanism[]) =>
    `${formatNumber(row(storms.rows, ...without).worstBinBack * 100)} %`;
  return `jitter: of all instances ${share()} connect in the worst 100 ms after the ` +
    `server is back, and ${share("jitter")} without it. While the server is away it ` +
    "changes little.";
}

function recovery({ outages }: SimulationReport): string {
  const lengths = outages.rows.map(({ allBackMs, awayMs }) =>
    `${formatNumber(allBackMs / 1000)} s after ${formatNumber(awayMs / 1000)} s`
  );
  return `Recovery: all instances are connected ${lengths.join(", ")} of outage, as ` +
    "each looks for its server by itself.";
}

function budget({ hangUps, storms }: SimulationReport): string {
  const [away, awayWithout] = [
    row(storms.rows, "breaker").connects,
    row(storms.rows, "breaker", "retry budget").connects,
  ];
  const cut = (...without: Mechanism[]) =>
    formatNumber(row(hangUps.rows, "breaker", ...without).calls);
  return `retry_budget: it has no part in connects (${
    formatNumber(away)
  } an instance in ` +
    `a restart with it, ${
      formatNumber(awayWithout)
    } without): a command that waits for ` +
    `a connection is not sent yet. It bounds what is sent: a server that hangs up gets ` +
    `each command ${cut()} times with it, and ${cut("retry budget")} times without, ` +
    "where no circuit breaker steps in.";
}
