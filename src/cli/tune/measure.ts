import process from "node:process";
import type { RedisConfig } from "../../../mod.ts";
import { hostClock } from "./clock.ts";
import type { Contender, ContenderClient } from "./contender.ts";
import { Histogram } from "./histogram.ts";
import type { TuneKeys } from "./keys.ts";
import { type Load, type LoadResult, runClosedLoop, runOpenLoop } from "./load.ts";
import type { Spec } from "./plan.ts";
import type { Round } from "./rounds.ts";
import type { ServerSample, ServerView } from "./server_view.ts";
import { workOf, writeValues } from "./work.ts";

/** What a {@linkcode Bench} needs. */
export interface BenchOptions {
  /** The database to measure. */
  readonly config: RedisConfig;
  /** Who takes part. */
  readonly contenders: readonly Contender[];
  /** The keys of the run. */
  readonly keys: TuneKeys;
  /** The connection that asks the server. */
  readonly view: ServerView;
  /** Ends the loads. */
  readonly signal: AbortSignal;
}

interface Opened {
  readonly client: ContenderClient;
  readonly namePrefix: string;
}

/** CPU seconds of this process; `null` where it cannot be seen. */
function clientCpuSeconds(): number | null {
  try {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  } catch {
    return null;
  }
}

const difference = (before: number | null, after: number | null) =>
  before === null || after === null ? null : after - before;

/** Runs rounds on a real server; clients stay open from one round to the next. */
export class Bench implements AsyncDisposable {
  readonly #options: BenchOptions;
  readonly #opened = new Map<string, Promise<Opened>>();
  readonly #written = new Set<number>();
  #count = 0;

  /**
   * Opens nothing yet.
   *
   * @param options Where, who, and with which keys.
   */
  constructor(options: BenchOptions) {
    this.#options = options;
  }

  /**
   * Runs one round.
   *
   * @param spec What to measure.
   * @param ms How long, in milliseconds.
   * @returns What it came to.
   */
  async measure(spec: Spec, ms: number): Promise<Round> {
    const { keys, signal, view } = this.#options;
    const { client, namePrefix } = await this.#clientFor(spec);
    await this.#write(client, spec.valueBytes);
    const wait = new Histogram();
    const onWait = (waited: number) => wait.record(waited);
    const work = workOf(spec.mix, client, keys, spec.valueBytes, onWait);
    const load: Load = { call: work.call, durationMs: ms, clock: hostClock, signal };
    const before = await view.sample();
    const cpuBefore = clientCpuSeconds();
    const end = work.beside?.();
    const result = spec.rate === undefined
      ? await runClosedLoop(load, spec.concurrency)
      : await runOpenLoop(load, spec.rate / work.commands);
    await end?.();
    const cpu = difference(cpuBefore, clientCpuSeconds());
    const after = await view.sample();
    return {
      ...figures(result, before, after),
      perSecond: result.calls * work.commands / result.seconds,
      wait,
      // The open loop looks at the clock all the time: its CPU says nothing.
      clientCpu: cpu === null || spec.rate !== undefined ? null : cpu / result.seconds,
      connections: await view.connections(namePrefix),
    };
  }

  /** Closes every client. */
  async closeClients(): Promise<void> {
    const opened = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(opened.map(async (each) => {
      await each.then(({ client }) => client.close(), () => {});
    }));
  }

  /** Closes every client. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.closeClients();
  }

  #clientFor({ subject, lanes, leases }: Spec): Promise<Opened> {
    const id = `${subject}:${lanes}:${leases}`;
    let opened = this.#opened.get(id);
    if (opened === undefined) {
      const { config, contenders } = this.#options;
      const contender = contenders.find((each) => each.subject === subject);
      if (contender === undefined) throw new Error(`Nobody plays ${subject}`);
      const name = `tune-${++this.#count}`;
      opened = contender.open({ config, name, lanes, leases });
      this.#opened.set(id, opened);
    }
    return opened;
  }

  async #write(client: ContenderClient, bytes: number): Promise<void> {
    if (this.#written.has(bytes)) return;
    await writeValues(client, this.#options.keys, bytes);
    this.#written.add(bytes);
  }
}

function figures(result: LoadResult, before: ServerSample, after: ServerSample) {
  const { errors, firstError, latency, mostUnderWay, seconds } = result;
  const cpu = difference(before.cpuSeconds, after.cpuSeconds);
  return {
    latency,
    errors,
    ...(firstError === undefined ? {} : { firstError }),
    mostUnderWay,
    serverCpu: cpu === null ? null : cpu / seconds,
    bytesPerSecond: {
      in: (after.bytesIn - before.bytesIn) / seconds,
      out: (after.bytesOut - before.bytesOut) / seconds,
    },
  };
}
