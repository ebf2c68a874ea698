import { formatNumber } from "../../src/cli/tune/report/number_style.ts";
import type { QueueRow, SimulationReport, StormRow } from "./types.ts";

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
    ...jitter(report),
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

function storm(
  { storms }: SimulationReport,
  breaker: boolean,
  jitter: boolean,
): StormRow {
  return storms.rows.find((row) => row.breaker === breaker && row.jitter === jitter)!;
}

function jitter(report: SimulationReport): string[] {
  return [true, false].map((breaker) => {
    const [withIt, without] = [true, false].map((on) => storm(report, breaker, on));
    const [peak, plain] = [withIt!.peakBack, without!.peakBack];
    return `jitter, ${
      breaker ? "with" : "without"
    } the circuit breaker: when the server ` +
      `is back, ${formatNumber(report.storms.instances)} instances make at most ` +
      `${formatNumber(peak)} connects in 100 ms, and ${formatNumber(plain)} without ` +
      `jitter: ${formatNumber(plain / Math.max(1, peak))} times as many.`;
  });
}

function breaker(report: SimulationReport): string {
  const row = storm(report, true, true);
  const { instances, awayMs } = report.storms;
  return `circuit_breaker_timeout: ${formatNumber(row.trips)} of ` +
    `${formatNumber(instances)} breakers opened when the server was away for ` +
    `${formatNumber(awayMs / 1000)} s. With the default of ` +
    `${
      formatNumber(report.defaults.circuitBreakerTimeoutMs / 1000)
    } s the last command ` +
    `failed ${formatNumber(row.failedForMs / 1000)} s after the server was back, and ` +
    `${formatNumber(storm(report, false, true).failedForMs / 1000)} s where no breaker ` +
    `opened: set it lower where restarts are short.`;
}

function budget({ flaps }: SimulationReport): string {
  const total = (on: boolean) =>
    flaps.rows.find((row) => row.budget === on)!.retries.reduce((sum, n) => sum + n, 0);
  const [withIt, without] = [total(true), total(false)];
  return `retry_budget: a server that cuts all connections five times a second gets ` +
    `${formatNumber(withIt / flaps.seconds)} retries a second with the budget on ` +
    `average, and ${formatNumber(without / flaps.seconds)} without, where no circuit ` +
    `breaker steps in.`;
}
