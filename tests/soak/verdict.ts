/** What a soak found, and whether it is right. */
import type { Balance } from "./write_ledger.ts";
import { heapBoundKib, type HeapTrend, LEAST_SAMPLES } from "./heap_trend.ts";
import { type SoakOptions, written } from "./options.ts";
import { distribution, lateRecoveries, type Recovery } from "./recovery.ts";

/** Everything that a soak found. */
export interface Findings extends SoakOptions {
  /** Operations by kind. */
  readonly counts: Readonly<Record<string, number>>;
  /** How often each fault struck. */
  readonly strikes: Readonly<Record<string, number>>;
  /** The results of all stretches together. */
  readonly balance: Balance;
  /** Promises that were late or never settled, in words. */
  readonly late: readonly string[];
  /** Promises that were left at the end. */
  readonly pending: number;
  /** Messages and gaps of pub/sub. */
  readonly pubsub: { readonly received: number; readonly gaps: number };
  /** How soon somebody was served after each fault. */
  readonly recoveries: readonly Recovery[];
  /** Of what is in the heap beside compiled code. */
  readonly heap: HeapTrend;
  /** Of compiled code, which says how far the warm-up is and is not judged. */
  readonly code: HeapTrend;
  readonly worstLagMs: number;
  /** What else went wrong, in words. */
  readonly wrong: readonly string[];
}

/** All that is wrong, in words; empty if nothing is. */
export function violations(findings: Findings): string[] {
  const { balance, late, pending, heap, recoveries, wrong } = findings;
  const { samples, kibPerMinute, minutes } = heap;
  const boundKib = heapBoundKib(minutes);
  return [
    ...balance.faults,
    ...(balance.lost > 0 ? [`${balance.lost} acknowledged writes are lost`] : []),
    ...(balance.doubles > 0 ? [`${balance.doubles} writes are there too often`] : []),
    ...late,
    ...(pending > 0 ? [`${pending} promises are pending at the end`] : []),
    ...(samples >= LEAST_SAMPLES && kibPerMinute > boundKib
      ? [
        `the heap grows by ${kibPerMinute.toFixed(1)} KiB/min, ` +
        `bound ${boundKib.toFixed(1)}`,
      ]
      : []),
    ...lateRecoveries(recoveries),
    ...wrong,
  ];
}

/** The summary, a line each; the last one says whether there is any violation. */
export function summary(findings: Findings): string {
  const { counts, strikes, balance, heap, code, pubsub, recoveries } = findings;
  const outages = recoveries.filter(({ isOutage }) => isOutage);
  const others = recoveries.filter(({ isOutage }) => !isOutage);
  const judged = heap.samples >= LEAST_SAMPLES
    ? `bound ${heapBoundKib(heap.minutes).toFixed(1)}`
    : `not judged, ${LEAST_SAMPLES} are needed`;
  const rows: [string, string][] = [
    ["commands", `${sum(counts)}: ${listed(counts)}`],
    ["faults", `${sum(strikes)}: ${listed(strikes)}`],
    ["writes", `${balance.acknowledged} acknowledged, ${balance.refused} refused`],
    ["ambiguous", String(balance.ambiguous)],
    ["doubles", String(balance.doubles)],
    ["lost", String(balance.lost)],
    ["pending", `${findings.pending} at the end, ${findings.late.length} late`],
    ["pub/sub", `${pubsub.received} messages, ${pubsub.gaps} gaps reported`],
    ["recovery", `after outages: ${distribution(outages.map(({ ms }) => ms))}`],
    ["", `after other faults: ${distribution(others.map(({ ms }) => ms))}`],
    ["heap", `${growth(heap)} over ${heap.samples} samples (${judged})`],
    ["", `beside it ${growth(code)} of compiled code`],
    ["event loop", `${Math.round(findings.worstLagMs)} ms late at worst`],
  ];
  return [
    ...rows.map(([name, text]) => `${name.padEnd(11)} ${text}`),
    `Again: deno task soak ${written(findings)}`,
    verdict(violations(findings)),
  ].join("\n");
}

/** Violations that are named in the verdict. */
const NAMED = 50;

/** What the last line says: that there is none, or how many there are. */
export function verdict(found: readonly string[]): string {
  if (found.length === 0) return "No violation";
  const named = found.slice(0, NAMED).map((each) => `  ${each}`);
  return [...named, `${found.length} violations`].join("\n");
}

function growth({ kibPerMinute, fromMib, toMib }: HeapTrend): string {
  const [rate, from, to] = [kibPerMinute, fromMib, toMib].map((each) => each.toFixed(1));
  return `${rate} KiB/min, ${from} to ${to} MiB`;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ");
}
