import type { RedisConfig } from "../../src/config/mod.ts";
import { DatabaseStatistics } from "../../src/observability/database_statistics.ts";
import { takeHostTime } from "./host_time.ts";
import { Instance, type InstanceCounts } from "./instance.ts";
import {
  BIN_MS,
  ModelServer,
  type ServerCounts,
  type ServerModel,
} from "./model_server.ts";
import { Random } from "./random.ts";
import { SimClock } from "./sim_clock.ts";

/** A server under load that serves nobody for a while. */
export interface StormOptions {
  /** The database of each instance. */
  readonly config: RedisConfig;
  /** The server. */
  readonly server: ServerModel;
  /** Processes that use it. */
  readonly instances: number;
  /** Commands a second of each instance. */
  readonly rate: number;
  /** Whether the server is away, or there and cuts all connections so often that hardly
   * a command is answered ("flaps"). Default: `away`. */
  readonly trouble?: "away" | "flaps";
  /** How long it serves nobody, in milliseconds. */
  readonly downMs: number;
  /** How long it is watched after that, in milliseconds. */
  readonly watchMs: number;
  /** Whether waits between attempts are left to chance. */
  readonly jitter: boolean;
  /** Any whole number; the same gives the same run. */
  readonly seed: number;
}

/** What became of it. */
export interface StormResult {
  /** What the callers saw. */
  readonly commands: InstanceCounts;
  /** What the server counted. */
  readonly server: ServerCounts;
  /** Wishes to connect since the trouble began, by bins of 100 ms. */
  readonly connects: readonly number[];
  /** Retries of commands since the trouble began, by the same bins. */
  readonly retries: readonly number[];
  /** Commands that failed since the trouble began, by the same bins. */
  readonly failures: readonly number[];
  /** Instances that have a lane at the end. */
  readonly back: number;
  /** Circuit breakers that opened. */
  readonly trips: number;
}

/** How long the instances take to come up before the restart, in milliseconds. */
const WARM_UP_MS = 10_000;

/** Time between two cuts of a server that flaps, in milliseconds. */
const FLAP_MS = 200;

/**
 * Runs instances through a time in which their server does not serve.
 *
 * @param options Who, and how long.
 * @returns What became of it.
 */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { config, instances, seed } = options;
  const clock = new SimClock();
  const load = new Random(seed);
  const { next } = new Random(seed + 1);
  using _host = takeHostTime(clock, options.jitter ? next : () => 0);
  const server = new ModelServer(clock, options.server);
  const commands: InstanceCounts = { asked: 0, answered: 0, failed: 0, reconnects: 0 };
  const statistics = new DatabaseStatistics(config.name, clock);
  const all = Array.from(
    { length: instances },
    () => new Instance(config, server, clock, commands, statistics),
  );
  for (const instance of all) {
    const ask = () => {
      instance.ask();
      clock.setTimer(ask, load.exponential(1000 / options.rate));
    };
    clock.setTimer(ask, load.next() * WARM_UP_MS / 2);
  }
  await clock.runUntil(WARM_UP_MS);
  const retriesSoFar = () => statistics.totals.retries - commands.reconnects;
  if (options.trouble === "flaps") flap(server, clock, WARM_UP_MS + options.downMs);
  else server.stop();
  const retries: number[] = [];
  const failures: number[] = [];
  const watch = async (ms: number) => {
    for (const end = clock.now() + ms; clock.now() < end;) {
      const [retried, failed] = [retriesSoFar(), commands.failed];
      await clock.runUntil(Math.min(end, clock.now() + BIN_MS));
      retries.push(retriesSoFar() - retried);
      failures.push(commands.failed - failed);
    }
  };
  await watch(options.downMs);
  server.start();
  await watch(options.watchMs);
  return {
    commands,
    server: server.counts,
    connects: server.connectBins.slice(WARM_UP_MS / BIN_MS),
    retries,
    failures,
    back: all.filter(({ lanes }) => lanes > 0).length,
    trips: statistics.totals.trips,
  };
}

/** Cuts all connections, again and again. */
function flap(server: ModelServer, clock: SimClock, until: number): void {
  server.cut();
  if (clock.now() + FLAP_MS < until) {
    clock.setTimer(() => flap(server, clock, until), FLAP_MS);
  }
}
