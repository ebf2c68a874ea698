import { VERSION } from "../../core/version.ts";
import type {
  Api,
  Attributes,
  BatchObservableResult,
  Histogram,
  Meter,
  Observable,
} from "./api.ts";
import { ATTRIBUTE, METRIC, SECONDS_BOUNDS } from "./conventions.ts";

/** Name that all telemetry of this package goes by. */
export const SCOPE = "@mooring/redis";

/** A pool at one instant. */
export interface PoolReading {
  /** Connections that nobody uses. */
  readonly idle: number;
  /** Connections in use: lanes and leases. */
  readonly used: number;
  /** Callers that wait for a lease, and commands that wait for a lane. */
  readonly pending: number;
  /** Callers that waited for a lease in vain, since the start. */
  readonly timeouts: number;
  /** The most connections that there may be. */
  readonly max: number;
  /** Connections that are kept ready. */
  readonly min: number;
}

/** A pool whose numbers are reported. */
export interface WatchedPool {
  /** Its attributes: the name that it is told apart by. */
  readonly attributes: Attributes;
  /** Its name is free again, and its numbers are reported no more. */
  end(): void;
}

interface Source {
  readonly base: Attributes;
  readonly idle: Attributes;
  readonly used: Attributes;
  readonly read: () => PoolReading;
}

/** Instruments by the provider that they report to. */
const made = new WeakMap<object, Instruments>();

/** The instruments of the process; those of all managers report through them. */
export class Instruments {
  /** Duration of operations, in seconds. */
  readonly duration: Histogram;
  /** Duration of commands that block, in seconds. */
  readonly blockingDuration: Histogram;
  /** How long connections took to open, in seconds. */
  readonly createTime: Histogram;
  /** How long callers waited for their leases, in seconds. */
  readonly waitTime: Histogram;
  /** How long leases were held, in seconds. */
  readonly useTime: Histogram;
  readonly #pools = new Map<string, Source>();
  readonly #gauges: Readonly<
    Record<"count" | "idleMax" | "idleMin" | "max" | "pending" | "timeouts", Observable>
  >;

  private constructor(meter: Meter) {
    const seconds = (name: string, description: string) =>
      meter.createHistogram(name, {
        description,
        unit: "s",
        advice: { explicitBucketBoundaries: [...SECONDS_BOUNDS] },
      });
    this.duration = seconds(METRIC.duration, "Duration of database client operations.");
    this.blockingDuration = seconds(
      METRIC.blockingDuration,
      "Duration of commands that wait for a value, such as BLPOP.",
    );
    this.createTime = seconds(
      METRIC.createTime,
      "The time it took to create a new connection.",
    );
    this.waitTime = seconds(
      METRIC.waitTime,
      "The time it took to obtain an open connection from the pool.",
    );
    this.useTime = seconds(
      METRIC.useTime,
      "The time between borrowing a connection and returning it to the pool.",
    );
    this.#gauges = makeGauges(meter);
    const observe = (result: BatchObservableResult) => this.#observe(result);
    meter.addBatchObservableCallback(observe, Object.values(this.#gauges));
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
  watch(name: string, read: () => PoolReading): WatchedPool {
    let unique = name;
    for (let n = 2; this.#pools.has(unique); n++) unique = `${name}#${n}`;
    const base = { [ATTRIBUTE.poolName]: unique };
    const of = (state: string) => ({ ...base, [ATTRIBUTE.connectionState]: state });
    this.#pools.set(unique, { base, idle: of("idle"), used: of("used"), read });
    return { attributes: base, end: () => void this.#pools.delete(unique) };
  }

  #observe(result: BatchObservableResult): void {
    const { count, idleMax, idleMin, max, pending, timeouts } = this.#gauges;
    for (const { base, idle, read, used } of this.#pools.values()) {
      const reading = read();
      result.observe(count, reading.idle, idle);
      result.observe(count, reading.used, used);
      result.observe(idleMax, reading.max, base);
      result.observe(idleMin, reading.min, base);
      result.observe(max, reading.max, base);
      result.observe(pending, reading.pending, base);
      result.observe(timeouts, reading.timeouts, base);
    }
  }
}

function makeGauges(meter: Meter) {
  const upDown = (name: string, unit: string, description: string) =>
    meter.createObservableUpDownCounter(name, { unit, description });
  const connections = "{connection}";
  return {
    count: upDown(
      METRIC.count,
      connections,
      "The number of connections that are currently in state described by the `state` " +
        "attribute.",
    ),
    idleMax: upDown(
      METRIC.idleMax,
      connections,
      "The maximum number of idle open connections allowed.",
    ),
    idleMin: upDown(
      METRIC.idleMin,
      connections,
      "The minimum number of idle open connections allowed.",
    ),
    max: upDown(
      METRIC.max,
      connections,
      "The maximum number of open connections allowed.",
    ),
    pending: upDown(
      METRIC.pending,
      "{request}",
      "The number of current pending requests for an open connection.",
    ),
    timeouts: meter.createObservableCounter(METRIC.timeouts, {
      unit: "{timeout}",
      description: "The number of connection timeouts that have occurred trying to " +
        "obtain a connection from the pool.",
    }),
  };
}
