import type { RedisConfig } from "../../src/config/main.ts";
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

/**
 * What a server does that does not serve: it is away, or is there and cuts all connections
 * so often that hardly a command is answered, or answers each handshake and hangs up at
 * the first command after it.
 */
export type Trouble = "away" | "flaps" | "hangs-up";

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
  /** What is wrong with it. */
  readonly trouble: Trouble;
  /** How long, in milliseconds. */
  readonly downMs: number;
  /** How long it is watched after that, in milliseconds. */
  readonly watchMs: number;
  /** Whether waits between attempts are left to chance. */
  readonly jitter: boolean;
  /** Any whole number; the same gives the same run. */
  readonly seed: number;
}

/** What became of it. All bins are of 100 ms, and the first is the first of the trouble. */
export interface StormResult {
  /** What the callers saw. */
  readonly commands: InstanceCounts;
  /** Commands that were asked for since the trouble began. */
  readonly asked: number;
  /** What the server counted. */
  readonly server: ServerCounts;
  /** Wishes to connect, by bins. */
  readonly connects: readonly number[];
  /** Commands that reached the server, retries among them, by bins. */
  readonly calls: readonly number[];
  /** Commands that failed, by bins. */
  readonly failures: readonly number[];
  /** Instances that have a lane at the end. */
  readonly back: number;
  /** From the server's return until all instances had a lane, in milliseconds; infinite if
   * some had none by the end. */
  readonly allBackMs: number;
  /** Circuit breakers that opened. */
  readonly trips: number;
}

/** How long the instances take to come up before the trouble, in milliseconds. */
const WARM_UP_MS = 5000;
/** Time between two cuts of a server that flaps, in milliseconds. */
const FLAP_MS = 200;

/**
 * Runs instances through a time in which their server does not serve.
 *
 * @param options Who, and how long.
 * @returns What became of it.
 */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { config, downMs, instances, seed, watchMs } = options;
  const clock = new SimClock();
  const load = new Random(seed);
  const { next } = new Random(seed + 1_000_000);
  using _host = takeHostTime(clock, options.jitter ? next : () => 0);
  const server = new ModelServer(clock, options.server);
  const commands = { asked: 0, answered: 0, failed: 0, trips: 0, answeredMs: 0 };
  const all = Array.from(
    { length: instances },
    () => new Instance(config, server, clock, commands),
  );
  for (const instance of all) {
    const ask = () => {
      instance.ask();
      clock.setTimer(ask, load.exponential(1000 / options.rate));
    };
    clock.setTimer(ask, load.next() * WARM_UP_MS / 2);
  }
  await clock.runUntil(WARM_UP_MS);
  const askedBefore = commands.asked;
  const end = begin(options.trouble, server, clock);
  const failures: number[] = [];
  let allBackMs = Infinity;
  const watch = async (ms: number, returnedAt?: number) => {
    for (const until = clock.now() + ms; clock.now() < until;) {
      const failed = commands.failed;
      await clock.runUntil(Math.min(until, clock.now() + BIN_MS));
      failures.push(commands.failed - failed);
      if (returnedAt === undefined || allBackMs < Infinity) continue;
      if (all.every(({ isConnected }) => isConnected)) {
        allBackMs = clock.now() - returnedAt;
      }
    }
  };
  await watch(downMs);
  end();
  await watch(watchMs, clock.now());
  const bins = (all: readonly number[]) =>
    Array.from(failures, (_, bin) => all[WARM_UP_MS / BIN_MS + bin] ?? 0);
  return {
    commands,
    asked: commands.asked - askedBefore,
    server: server.counts,
    connects: bins(server.connectBins),
    calls: bins(server.callBins),
    failures,
    back: all.filter(({ isConnected }) => isConnected).length,
    allBackMs,
    trips: commands.trips,
  };
}

/** Begins the trouble, and gives what ends it. */
function begin(trouble: Trouble, server: ModelServer, clock: SimClock): () => void {
  if (trouble === "away") {
    server.stop();
    return () => server.start();
  }
  if (trouble === "hangs-up") {
    server.hangsUp = true;
    return () => server.hangsUp = false;
  }
  let isOver = false;
  const flap = () => {
    if (isOver) return;
    server.cut();
    clock.setTimer(flap, FLAP_MS);
  };
  flap();
  return () => isOver = true;
}
