/** What a soak found, and whether it is right. */
import type { Balance } from "./books.ts";
import { HEAP_BOUND_KIB, type HeapTrend, LEAST_SAMPLES } from "./heap_trend.ts";

/** Everything that a soak found. */
export interface Findings {
  readonly minutes: number;
  readonly seed: number;
  /** Operations by kind. */
  readonly counts: Readonly<Record<string, number>>;
  /** How often each fault struck. */
  readonly strikes: Readonly<Record<string, number>>;
  /** The books of all stretches together. */
  readonly balance: Balance;
  /** Promises that were late or never settled, in words. */
  readonly late: readonly string[];
  /** Promises that were left at the end. */
  readonly pending: number;
  /** Messages and gaps of pub/sub. */
  readonly news: { readonly received: number; readonly gaps: number };
  /** From the end of a fault to the first operation that succeeded, in milliseconds. */
  readonly recoveriesMs: readonly number[];
  readonly heap: HeapTrend;
  readonly worstLagMs: number;
  /** What else went wrong, in words. */
  readonly wrong: readonly string[];
}

/** All that is wrong, in words; empty if nothing is. */
export function violations(findings: Findings): string[] {
  const { balance, late, pending, heap, wrong } = findings;
  const { samples, kibPerMinute } = heap;
  return [
    ...balance.faults,
    ...(balance.lost > 0 ? [`${balance.lost} acknowledged writes are lost`] : []),
    ...(balance.doubles > 0 ? [`${balance.doubles} writes are there too often`] : []),
    ...late,
    ...(pending > 0 ? [`${pending} promises are pending at the end`] : []),
    ...(samples >= LEAST_SAMPLES && kibPerMinute > HEAP_BOUND_KIB
      ? [`the heap grows by ${kibPerMinute.toFixed(1)} KiB/min, bound ${HEAP_BOUND_KIB}`]
      : []),
    ...wrong,
  ];
}

/** The summary, a line each. */
export function summary(findings: Findings): string {
  const { counts, strikes, balance, heap, news, recoveriesMs } = findings;
  const sorted = [...recoveriesMs].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const judged = heap.samples >= LEAST_SAMPLES
    ? `bound ${HEAP_BOUND_KIB}`
    : `not judged, ${LEAST_SAMPLES} are needed`;
  const rows: [string, string][] = [
    ["commands", `${sum(counts)}: ${listed(counts)}`],
    ["faults", `${sum(strikes)}: ${listed(strikes)}`],
    ["writes", `${balance.acknowledged} acknowledged, ${balance.refused} refused`],
    ["ambiguous", String(balance.ambiguous)],
    ["doubles", String(balance.doubles)],
    ["lost", String(balance.lost)],
    ["pending", `${findings.pending} at the end, ${findings.late.length} late`],
    ["pub/sub", `${news.received} messages, ${news.gaps} gaps told`],
    [
      "recovery",
      `median ${Math.round(median)} ms, ${Math.round(sorted.at(-1) ?? 0)} most`,
    ],
    [
      "heap",
      `${
        heap.kibPerMinute.toFixed(1)
      } KiB/min over ${heap.samples} samples (${judged}), ` +
      `${heap.fromMib.toFixed(1)} to ${heap.toMib.toFixed(1)} MiB`,
    ],
    ["event loop", `${Math.round(findings.worstLagMs)} ms late at worst`],
  ];
  const found = violations(findings);
  const again = `deno task soak --minutes ${findings.minutes} --seed ${findings.seed}`;
  return [
    ...rows.map(([name, text]) => `${name.padEnd(11)} ${text}`),
    found.length === 0
      ? "No violation"
      : `${found.length} violations:\n  ${found.slice(0, 50).join("\n  ")}`,
    `Again: ${again}`,
  ].join("\n");
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ");
}
