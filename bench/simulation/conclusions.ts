import { formatNumber } from "../../src/cli/tune/report/number_style.ts";
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
    breaker(report),
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

function spacing({ hangUps, storms }: SimulationReport): string {
  const bare = row(storms.rows, "breaker", "backoff");
  const [shipped, cut] = [row(storms.rows), row(hangUps.rows, "breaker", "retry budget")];
  return `What bounds them is the distance between two attempts of one database: with ` +
    `neither backoff nor breaker an instance makes ${
      formatNumber(bare.worstSecond)
    } in ` +
    `the worst second, as long as the server is away, and the same at a server that ` +
    `takes each connection and hangs up (${formatNumber(cut.worstSecond)}, at ` +
    `${
      formatNumber(hangUps.rate)
    } commands a second and with no retry budget). Backoff ` +
    `and breaker leave ${formatNumber(shipped.connects)} of its ` +
    `${formatNumber(bare.connects)} connects in all.`;
}

function jitter({ storms }: SimulationReport): string {
  const share = (...without: Mechanism[]) =>
    `${formatNumber(row(storms.rows, ...without).worstBinBack * 100)} %`;
  return `jitter: of all instances ${share()} connect in the worst 100 ms after the ` +
    `server is back, and ${share("jitter")} without it; without the circuit breaker ` +
    `${share("breaker")} and ${
      share("breaker", "jitter")
    }. While the server is away it ` +
    "changes little.";
}

function breaker({ defaults, storms }: SimulationReport): string {
  const seconds = (...without: Mechanism[]) =>
    `${formatNumber(row(storms.rows, ...without).failedForMs / 1000)} s`;
  return `circuit_breaker_timeout, health_check_interval: away for ` +
    `${formatNumber(storms.awayMs / 1000)} s, the server is called in vain until ` +
    `${seconds()} after its return, as a health check finds it (every ` +
    `${formatNumber(defaults.healthCheckIntervalMs / 1000)} s at the latest); without ` +
    `health checks until ${seconds("health checks")}, when the cooldown of ` +
    `${formatNumber(defaults.circuitBreakerTimeoutMs / 1000)} s is over; without a ` +
    `breaker until ${seconds("breaker")}. Where restarts are short, set the interval ` +
    "lower rather than the timeout.";
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
