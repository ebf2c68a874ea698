import { type RedisConfig, RedisConfigLoader } from "../../../mod.ts";
import { advise, type CurrentSettings, kneesOf } from "./advice.ts";
import type { Contender } from "./contender.ts";
import { productionSigns } from "./guard.ts";
import { TuneKeys } from "./keys.ts";
import { Bench } from "./measure.ts";
import {
  type Effort,
  type PlanOptions,
  refinedSpecs,
  type Spec,
  specsOf,
} from "./plan.ts";
import {
  type Point,
  SWEEP_NAMES,
  type SweepName,
  type TuneReport,
} from "./report_types.ts";
import { type Measure, type OnProgress, runRounds, stepsOf } from "./rounds.ts";
import { type ServerFacts, ServerView } from "./server_view.ts";
import type { Target } from "./target.ts";

/** What a run needs. */
export interface TuneOptions {
  /** The server. */
  readonly target: Target;
  /** How thorough. */
  readonly effort: Effort;
  /** Who takes part; the manager is the first. */
  readonly contenders: readonly Contender[];
  /** Whether a server is measured that looks like one that somebody needs. */
  readonly isAllowed: boolean;
  /** Ends the run. */
  readonly signal: AbortSignal;
  /** Told how far it is. */
  readonly onProgress?: OnProgress;
  /** Which sweeps; all by default. */
  readonly only?: readonly SweepName[];
  /** Commands a second of the open loop. */
  readonly rate?: number;
}

/** The server looks like one that somebody needs. */
export class ProductionServerError extends Error {
  /** What was seen. */
  readonly signs: readonly string[];

  /**
   * Makes the error.
   *
   * @param endpoint The server.
   * @param signs What was seen.
   */
  constructor(endpoint: string, signs: readonly string[]) {
    super(
      `The server ${endpoint} looks like one that somebody needs: ${signs.join(", ")}. ` +
        "A sweep loads it to its limits; give --yes if you mean it",
    );
    this.name = "ProductionServerError";
    this.signs = signs;
  }
}

/**
 * Measures a server and says what to set.
 *
 * @param options The server, who takes part, how thorough.
 * @returns The report.
 * @throws {ProductionServerError} If the server looks like one that somebody needs.
 * @throws {RedisManagerError} If it cannot be reached.
 * @throws {DOMException} If the signal is aborted; the keys are removed then too.
 */
export async function runTune(options: TuneOptions): Promise<TuneReport> {
  const { contenders, effort, target } = options;
  const startedAt = new Date().toISOString();
  const from = performance.now();
  await using view = await ServerView.open(target.config);
  const server = await view.facts();
  const signs = target.isThrowAway ? [] : productionSigns(server);
  if (signs.length > 0 && !options.isAllowed) {
    throw new ProductionServerError(target.endpoint, signs);
  }
  const points = await measureAll(options, view);
  return {
    version: 1,
    startedAt,
    seconds: (performance.now() - from) / 1000,
    effort: effort.name,
    machine: machine(),
    server: serverOf(server, target),
    clients: Object.fromEntries(
      contenders.map(({ subject, version }) => [subject, version]),
    ),
    points,
    knees: kneesOf(points),
    advice: advise(points, {
      current: currentOf(target.config),
      shipped: currentOf(shippedConfig()),
      maxClients: server.maxClients,
      effort: effort.name,
    }),
  };
}

/** Runs the sweeps, and removes their keys whatever happens. */
async function measureAll(options: TuneOptions, view: ServerView): Promise<Point[]> {
  const { contenders, onProgress, signal, target: { config } } = options;
  const keys = new TuneKeys();
  try {
    await using bench = new Bench({ config, contenders, keys, view, signal });
    return await runSweeps(planOf(options), {
      measure: (spec, ms) => bench.measure(spec, ms),
      signal,
      now: () => performance.now(),
      ...(onProgress === undefined ? {} : { onProgress }),
      afterSweep: () => bench.closeClients(),
    });
  } finally {
    await view.remove(keys.all());
  }
}

function planOf(options: TuneOptions): PlanOptions {
  const { contenders, effort, only, rate, target } = options;
  const { maxConnections, maxLanes } = target.config;
  return {
    effort,
    contenders,
    current: { lanes: maxLanes, leases: Math.max(1, maxConnections - maxLanes) },
    ...(only === undefined ? {} : { only }),
    ...(rate === undefined ? {} : { rate }),
  };
}

/** What {@linkcode runSweeps} needs. */
export interface SweepOptions {
  /** Runs one round. */
  readonly measure: Measure;
  /** Milliseconds of monotonic time. */
  readonly now: () => number;
  /** Ends it. */
  readonly signal?: AbortSignal;
  /** Told how far it is. */
  readonly onProgress?: OnProgress;
  /** Called between sweeps. */
  readonly afterSweep?: () => Promise<void>;
}

/**
 * Runs the sweeps of a plan, one after the other; each gets its share of the time.
 *
 * @param plan What to measure.
 * @param options How.
 * @returns All points.
 */
export async function runSweeps(
  plan: PlanOptions,
  options: SweepOptions,
): Promise<Point[]> {
  const { effort, only = SWEEP_NAMES } = plan;
  const { afterSweep, measure, now, onProgress, signal } = options;
  const points: Point[] = [];
  let counted = SWEEP_NAMES.filter((sweep) => only.includes(sweep))
    .reduce((sum, sweep) => sum + specsOf(sweep, plan, 1).length, 0);
  let done = 0;
  const deadline = now() + effort.seconds * 1000;
  const run = async (specs: readonly Spec[]) => {
    const left = Math.max(specs.length, counted - done / stepsOf(effort));
    points.push(
      ...await runRounds(specs, {
        ...{ measure, effort, now },
        budgetMs: Math.max(0, deadline - now()) * specs.length / left,
        ...(signal === undefined ? {} : { signal }),
        onStep: (steps, spec) => {
          done += steps;
          onProgress?.(done, counted * stepsOf(effort), labelOf(spec));
        },
      }),
    );
    await afterSweep?.();
  };
  for (const sweep of SWEEP_NAMES) {
    if (!only.includes(sweep)) continue;
    await run(specsOf(sweep, plan, rateBase(plan, points)));
    if (sweep !== "leases" || !effort.isRefined) continue;
    const refined = refinedSpecs(points);
    counted += refined.length;
    await run(refined);
  }
  return points;
}

/** Commands a second that the open loop's rates are shares of. */
function rateBase({ current }: PlanOptions, points: readonly Point[]): number {
  const knee = kneesOf(points).find(({ lanes }) => lanes === current.lanes);
  const reached = points.filter(({ subject, mix }) =>
    subject === "mooring" && mix === "get-heavy"
  ).map(({ perSecond }) => perSecond.median);
  return knee?.perSecond ?? Math.max(MODEST_RATE, ...reached);
}

/** Commands a second to begin with where nothing else was measured. */
const MODEST_RATE = 2000;

function labelOf(spec: Spec): string {
  const { concurrency, lanes, leases, mix, rate, subject, valueBytes } = spec;
  if (rate !== undefined) return `${subject}: ${rate} commands/s`;
  const size = leases > 0 ? `${leases} leases` : `${lanes} lanes`;
  return `${subject} ${mix}: ${size}, ${concurrency} callers, ${valueBytes} B`;
}

/** What a database has where nothing is configured. */
function shippedConfig(): RedisConfig {
  return RedisConfigLoader.fromOptions({ databases: { main: {} } }).databases.main!;
}

function currentOf(config: RedisConfig): CurrentSettings {
  return {
    maxLanes: config.maxLanes,
    maxConnections: config.maxConnections,
    acquireTimeout: config.acquireTimeoutMs / 1000,
    socketTimeout: config.commandTimeoutMs / 1000,
  };
}

function machine(): TuneReport["machine"] {
  return {
    runtime: `Deno ${Deno.version.deno}`,
    v8: Deno.version.v8,
    os: Deno.build.os,
    arch: Deno.build.arch,
    cores: navigator.hardwareConcurrency,
  };
}

function serverOf(facts: ServerFacts, target: Target): TuneReport["server"] {
  const { ioThreads, maxClients, version } = facts;
  const { endpoint, isThrowAway } = target;
  return { endpoint, version, ioThreads, maxClients, isThrowAway };
}
