import process from "node:process";
import { LatencyHistogram } from "../../observability/histogram.ts";
import type { Contender, ContenderClient, OpenOptions } from "./contender.ts";
import { hostClock, type Load, runClosedLoop, runOpenLoop } from "./load.ts";
import type { Spec } from "./plan.ts";
import type { Round } from "./rounds.ts";
import type { ServerView } from "./server_view.ts";
import { type TuneKeys, workOf, writeValues } from "./work.ts";

/** What a {@linkcode Bench} needs. */
interface BenchOptions extends Pick<OpenOptions, "config"> {
  /** The clients that take part. */
  readonly contenders: readonly Contender[];
  /** The keys of the run. */
  readonly keys: TuneKeys;
  /** The connection that asks the server. */
  readonly view: ServerView;
  /** Ends the loads. */
  readonly signal: AbortSignal;
}

/** CPU seconds of this process; `null` where they cannot be read. */
function clientCpuSeconds(): number | null {
  try {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  } catch {
    return null;
  }
}

/** Runs rounds on a real server; clients stay open from one round to the next. */
export class Bench implements AsyncDisposable {
  readonly #options: BenchOptions;
  readonly #opened = new Map<string, ReturnType<Contender["open"]>>();
  readonly #written = new Set<number>();
  #count = 0;

  /** Opens nothing yet. */
  constructor(options: BenchOptions) {
    this.#options = options;
  }

  /** Runs one round of so many milliseconds. */
  async measure(spec: Spec, ms: number): Promise<Round> {
    const { keys, signal, view } = this.#options;
    const { client, namePrefix } = await this.#clientFor(spec);
    await this.#write(client, spec.valueBytes);
    const wait = new LatencyHistogram();
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
    const cpuAfter = clientCpuSeconds();
    const after = await view.sample();
    const { calls, errors, firstError, latency, mostPending, seconds } = result;
    const perSecond = (from: number | null, to: number | null) =>
      from === null || to === null ? null : (to - from) / seconds;
    return {
      ...{ latency, wait, errors, firstError, mostPending },
      perSecond: calls * work.commands / seconds,
      // The open loop reads the clock all the time: its CPU says nothing.
      clientCpu: spec.rate === undefined ? perSecond(cpuBefore, cpuAfter) : null,
      serverCpu: perSecond(before.cpuSeconds, after.cpuSeconds),
      bytesPerSecond: {
        in: (after.bytesIn - before.bytesIn) / seconds,
        out: (after.bytesOut - before.bytesOut) / seconds,
      },
      connections: await view.connections(namePrefix),
    };
  }

  /** Closes every client. */
  async closeClients(): Promise<void> {
    const opened = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(
      opened.map((each) => each.then(({ client }) => client.close(), () => {})),
    );
  }

  /** Closes every client. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.closeClients();
  }

  #clientFor({ subject, lanes, leases }: Spec): ReturnType<Contender["open"]> {
    const id = `${subject}:${lanes}:${leases}`;
    let opened = this.#opened.get(id);
    if (opened === undefined) {
      const { config, contenders } = this.#options;
      const contender = contenders.find((each) => each.subject === subject)!;
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
