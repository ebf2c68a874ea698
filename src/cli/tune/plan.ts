import type { Contender } from "./contender.ts";
import type { Mix, Point, Subject, SweepName } from "./report_types.ts";
import { MIN_GAIN } from "./statistics.ts";

/** One combination to measure. */
export type Spec =
  & Pick<Point, "sweep" | "subject" | "mix" | "lanes" | "leases">
  & Pick<Point, "concurrency" | "valueBytes" | "rate">;

/** How thorough a run is. */
export interface Effort {
  /** `quick` or `full`. */
  readonly name: "quick" | "full";
  /** How long it may take, in seconds, without opening and closing. */
  readonly seconds: number;
  /** Rounds of a point: it is settled after so many at the earliest, and dropped after so
   * many at the latest. */
  readonly rounds: { readonly least: number; readonly most: number };
  /** Longest round, in milliseconds. */
  readonly roundMs: number;
  /** Numbers of lanes. */
  readonly lanes: readonly number[];
  /** Sizes of the pool of leases. */
  readonly leases: readonly number[];
  /** Numbers of callers. */
  readonly concurrency: readonly number[];
  /** Bytes of a value. */
  readonly values: readonly number[];
}

/** Under a minute with everything around it. */
export const QUICK: Effort = {
  name: "quick",
  seconds: 40,
  rounds: { least: 5, most: 5 },
  roundMs: 150,
  lanes: [1, 2, 4, 8],
  leases: [1, 4, 16, 64],
  concurrency: [1, 16, 64, 256, 1024],
  values: [16, 4096, 65_536],
};

/** Under a quarter of an hour; mostly it stops much sooner. */
export const FULL: Effort = {
  name: "full",
  seconds: 480,
  rounds: { least: 5, most: 11 },
  roundMs: 600,
  lanes: [1, 2, 3, 4, 6, 8],
  leases: [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64],
  concurrency: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
  values: [16, 256, 1024, 4096, 16_384, 65_536],
};

/** What a sweep holds fixed: callers, bytes of a value. */
const CENTRE = { concurrency: 64, valueBytes: 128 } as const;
/** Leases of the mix `blocking`. */
const BLOCKING_LEASES = 16;
/** Shares of the throughput at the knee that the open loop asks for. */
const RATES = [0.5, 0.8] as const;

/** Subjects that have lanes. */
const OWN: readonly Subject[] = ["mooring", "near cache"];

/** What a plan is made from. */
export interface PlanOptions {
  /** How thorough. */
  readonly effort: Effort;
  /** Who takes part; the manager is the first. */
  readonly contenders: readonly Contender[];
  /** Lanes and leases that the configuration has now: they are measured too. */
  readonly current: { readonly lanes: number; readonly leases: number };
  /** Which sweeps; all by default. */
  readonly only?: readonly SweepName[];
  /** Commands a second of the open loop; by default shares of what the knee brought. */
  readonly rate?: number;
}

/**
 * What a sweep measures.
 *
 * @param perSecondAtKnee What the open loop's rates are shares of.
 */
export function specsOf(
  sweep: SweepName,
  { contenders, current, effort, rate }: PlanOptions,
  perSecondAtKnee: number,
): Spec[] {
  const merged = (sizes: readonly number[], extra: number) =>
    [...new Set([...sizes, extra])].sort((a, b) => a - b);
  const rivals = contenders.map(({ subject }) => subject)
    .filter((subject) => !OWN.includes(subject));
  const spec = (subject: Subject, values: Partial<Spec>): Spec => ({
    ...{ sweep, subject, mix: "get-heavy", leases: 0, ...CENTRE },
    lanes: OWN.includes(subject) ? current.lanes : 1,
    ...values,
  });
  const everybody = (mix: Mix, values: Partial<Spec> = {}) =>
    contenders.filter(({ mixes, subject }) =>
      mixes.includes(mix) && (subject !== "near cache" || sweep === "mixes")
    )
      .map(({ subject }) => spec(subject, { mix, ...values }));
  switch (sweep) {
    case "lanes":
      return effort.concurrency.flatMap((concurrency) => [
        ...merged(effort.lanes, current.lanes)
          .map((lanes) => spec("mooring", { lanes, concurrency })),
        ...rivals.map((subject) => spec(subject, { concurrency })),
      ]);
    case "leases":
      return merged(effort.leases, current.leases)
        .map((leases) => spec("mooring", { mix: "lease", lanes: 1, leases }));
    case "values":
      return effort.values.flatMap((valueBytes) =>
        everybody("get-heavy", { valueBytes })
      );
    case "mixes":
      return (["get-heavy", "write-heavy", "pipeline", "blocking"] as const)
        .flatMap((mix) =>
          everybody(mix, { leases: mix === "blocking" ? BLOCKING_LEASES : 0 })
        );
    case "rate":
      if (rate !== undefined) return everybody("get-heavy", { rate });
      return RATES.map((share) => Math.max(1, Math.round(perSecondAtKnee * share)))
        .map((rate) => spec("mooring", { rate }));
  }
}

/** What is measured, for people: the same for the same combination. */
export function describeSpec(spec: Spec): string {
  const { concurrency, lanes, leases, mix, rate, subject, sweep, valueBytes } = spec;
  return [
    `${sweep}: ${subject} ${mix}`,
    ...(OWN.includes(subject) ? [`${lanes} lanes`] : []),
    ...(leases > 0 ? [`${leases} leases`] : []),
    rate === undefined ? `${concurrency} callers` : `${rate} commands/s`,
    `${valueBytes} B`,
  ].join(", ");
}

/**
 * The first point of a curve that reaches the best one but for what is not worth a change.
 *
 * @param curve Points in ascending order of what they cost.
 * @returns The point; `undefined` if there is none.
 */
export function fewestEnough<T extends Pick<Point, "perSecond">>(
  curve: readonly T[],
): T | undefined {
  const best = Math.max(...curve.map(({ perSecond }) => perSecond.median));
  return curve.find(({ perSecond }) => perSecond.median >= best * (1 - MIN_GAIN));
}
