import { type RedisConfig, RedisConfigLoader } from "../../../mod.ts";
import { CliExit, ExitCode } from "../terminal.ts";
import { advise, type CurrentSettings, kneesOf } from "./advice.ts";
import { Bench } from "./measure.ts";
import { describeSpec, type PlanOptions, type Spec, specsOf } from "./plan.ts";
import { type Point, SWEEP_NAMES, type TuneReport } from "./report_types.ts";
import { type RoundsOptions, runRounds, stepsOf } from "./rounds.ts";
import { ServerView, usageSigns } from "./server_view.ts";
import type { Target } from "./target.ts";
import { TuneKeys } from "./work.ts";

/** What a run needs. */
interface RunOptions extends Omit<PlanOptions, "current"> {
  /** The server. */
  readonly target: Target;
  /** Whether a server is measured that appears to be in use. */
  readonly isAllowed: boolean;
  /** Ends the run. */
  readonly signal: AbortSignal;
  /** Called with how many steps of how many are done, and what is being measured. */
  readonly onProgress?: (done: number, total: number, label: string) => void;
}

/**
 * Measures a server and recommends settings.
 *
 * @throws {CliExit} If the server appears to be in use.
 * @throws {RedisManagerError} If it cannot be reached.
 * @throws {DOMException} If the signal is aborted; the keys are removed then too.
 */
export async function runTune(options: RunOptions): Promise<TuneReport> {
  const { contenders, effort, isAllowed, target } = options;
  const { config, endpoint, isThrowAway } = target;
  const startedAt = new Date().toISOString();
  const from = performance.now();
  await using view = new ServerView(config);
  const server = await view.facts();
  const signs = isThrowAway ? [] : usageSigns(server);
  if (signs.length > 0 && !isAllowed) {
    throw new CliExit(
      ExitCode.FAILED,
      `The server ${endpoint} appears to be in use: ${signs.join(", ")}. A sweep loads ` +
        "it to its limits; give --yes to measure it all the same",
    );
  }
  const points = await measureAll(options, view);
  const { ioThreads, maxClients, version } = server;
  const shipped = RedisConfigLoader.fromOptions({ databases: { main: {} } });
  return {
    version: 2,
    startedAt,
    seconds: (performance.now() - from) / 1000,
    effort: effort.name,
    machine: {
      runtime: `Deno ${Deno.version.deno}`,
      v8: Deno.version.v8,
      os: Deno.build.os,
      arch: Deno.build.arch,
      cores: navigator.hardwareConcurrency,
    },
    server: { endpoint, version, ioThreads, maxClients, isThrowAway },
    clients: Object.fromEntries(
      contenders.map(({ subject, version }) => [subject, version]),
    ),
    points,
    knees: kneesOf(points),
    advice: advise(points, {
      current: settingsOf(config),
      shipped: settingsOf(shipped.databases.main!),
      maxClients,
      effort: effort.name,
    }),
  };
}

/** Runs the sweeps, and removes their keys whatever happens. */
async function measureAll(options: RunOptions, view: ServerView): Promise<Point[]> {
  const { contenders, signal, target: { config } } = options;
  const { maxConnections, maxLanes } = config;
  const current = { lanes: maxLanes, leases: Math.max(1, maxConnections - maxLanes) };
  const keys = new TuneKeys();
  try {
    await using bench = new Bench({ config, contenders, keys, view, signal });
    return await runSweeps({ ...options, current }, {
      ...options,
      measure: (spec, ms) => bench.measure(spec, ms),
      now: () => performance.now(),
      afterSweep: () => bench.closeClients(),
    });
  } finally {
    await view.remove(keys.all());
  }
}

/** How sweeps are run. */
interface SweepOptions
  extends
    Pick<RoundsOptions, "measure" | "now" | "signal">,
    Pick<RunOptions, "onProgress"> {
  /** Called between sweeps. */
  readonly afterSweep?: () => Promise<void>;
}

/** Runs the sweeps of a plan, one after the other; each gets its share of the time. */
export async function runSweeps(
  plan: PlanOptions,
  { afterSweep, measure, now, onProgress, signal }: SweepOptions,
): Promise<Point[]> {
  const { effort, only = SWEEP_NAMES } = plan;
  const sweeps = SWEEP_NAMES.filter((sweep) => only.includes(sweep));
  const points: Point[] = [];
  let left = sweeps.reduce((sum, sweep) => sum + specsOf(sweep, plan, 1).length, 0);
  const total = left * stepsOf(effort);
  let done = 0;
  const deadline = now() + effort.seconds * 1000;
  const onStep = (steps: number, spec: Spec) => {
    done += steps;
    onProgress?.(done, total, describeSpec(spec));
  };
  for (const sweep of sweeps) {
    const specs = specsOf(sweep, plan, baseRate(plan, points));
    const budgetMs = Math.max(0, deadline - now()) * specs.length / left;
    left -= specs.length;
    const options = { measure, effort, now, budgetMs, signal, onStep };
    points.push(...await runRounds(specs, options));
    await afterSweep?.();
  }
  return points;
}

/** Commands a second where nothing else was measured. */
const MODEST_RATE = 2000;

/** Commands a second that the open loop's rates are shares of. */
function baseRate({ current }: PlanOptions, points: readonly Point[]): number {
  const knee = kneesOf(points).find(({ lanes }) => lanes === current.lanes);
  const reached = points.filter(({ subject, mix }) =>
    subject === "mooring" && mix === "get-heavy"
  ).map(({ perSecond }) => perSecond.median);
  return knee?.perSecond ?? Math.max(MODEST_RATE, ...reached);
}

function settingsOf(config: RedisConfig): CurrentSettings {
  return {
    maxLanes: config.maxLanes,
    maxConnections: config.maxConnections,
    acquireTimeout: config.acquireTimeoutMs / 1000,
    socketTimeout: config.commandTimeoutMs / 1000,
  };
}
