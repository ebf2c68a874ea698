import type * as OpenTelemetry from "@opentelemetry/api";
import type {
  Attributes,
  BatchObservableResult,
  Histogram,
  Meter,
} from "@opentelemetry/api";
import { VERSION } from "../../core/version.ts";
import { DURATIONS, METRICS, type MetricsSource, readMetric } from "../metrics.ts";
import { ATTRIBUTE } from "./operations.ts";

/** What of the API is used. */
export type Api = Pick<typeof OpenTelemetry, "trace" | "metrics" | "context">;

/** Name that all telemetry of this package goes by. */
export const SCOPE = "@mooring/redis";

/** Bounds, in seconds, that the conventions advise for the duration of operations; the
 * times of connections have no advice, and those that an SDK takes are of milliseconds. */
export const SECONDS_BOUNDS: readonly number[] = [
  ...[0.001, 0.005, 0.01, 0.05, 0.1, 0.5],
  ...[1, 5, 10],
];

/** A pool whose numbers are reported. */
export interface WatchedPool {
  /** Its attributes: its name, unique in the process. */
  readonly attributes: Attributes;
  /** Its name is free again, and its numbers are reported no more. */
  end(): void;
}

/** Instruments by the provider that they report to. */
const made = new WeakMap<object, Instruments>();

/** The instruments of the process; those of all managers report through them. */
export class Instruments {
  /** The histograms, of seconds. */
  readonly durations: Readonly<Record<keyof typeof DURATIONS, Histogram>>;
  readonly #pools = new Map<string, () => MetricsSource>();

  private constructor(meter: Meter) {
    const histograms = Object.entries(DURATIONS).map(([key, [name, description]]) => {
      const advice = { explicitBucketBoundaries: [...SECONDS_BOUNDS] };
      return [key, meter.createHistogram(name, { description, unit: "s", advice })];
    });
    this.durations = Object.fromEntries(histograms);
    const observed = METRICS.flatMap((metric) => {
      if (metric.convention === undefined) return [];
      const [name, unit] = metric.convention;
      const options = { unit, description: metric.help };
      const instrument = metric.type === "counter"
        ? meter.createObservableCounter(name, options)
        : meter.createObservableUpDownCounter(name, options);
      return [{ metric, instrument }];
    });
    const observe = (result: BatchObservableResult) => {
      for (const [name, read] of this.#pools) {
        const source = read();
        for (const { metric, instrument } of observed) {
          for (const [labels, value] of readMetric(metric, source)) {
            result.observe(instrument, value, { [ATTRIBUTE.poolName]: name, ...labels });
          }
        }
      }
    };
    meter.addBatchObservableCallback(
      observe,
      observed.map(({ instrument }) => instrument),
    );
  }

  /**
   * The instruments that report to the provider registered now.
   *
   * @param api The API.
   * @returns The same instruments for the same provider.
   */
  static of({ metrics }: Api): Instruments {
    const provider = metrics.getMeterProvider();
    let instruments = made.get(provider);
    if (instruments === undefined) {
      instruments = new Instruments(metrics.getMeter(SCOPE, VERSION));
      made.set(provider, instruments);
    }
    return instruments;
  }

  /**
   * Reports a pool's numbers from now on.
   *
   * @param name Its name; where another pool has it already, a number is added.
   * @param read Reads its numbers; called for each export.
   * @returns Its attributes, and its end.
   */
  watch(name: string, read: () => MetricsSource): WatchedPool {
    let unique = name;
    for (let n = 2; this.#pools.has(unique); n++) unique = `${name}#${n}`;
    this.#pools.set(unique, read);
    return {
      attributes: { [ATTRIBUTE.poolName]: unique },
      end: () => void this.#pools.delete(unique),
    };
  }
}
