import type { RedisConfig } from "../../src/config/main.ts";
import { takeHostTime } from "./host_time.ts";
import { Instance } from "./instance.ts";
import { ModelServer, USUAL_SERVER } from "./model_server.ts";
import { meanWaitOfEqualMs } from "./queue_theory.ts";
import { Random } from "./random.ts";
import { SimClock } from "./sim_clock.ts";
import type { LoadRow } from "./types.ts";

/** Instances at a server that is well. */
export interface ServerLoadOptions {
  /** The database of each. */
  readonly config: RedisConfig;
  /** The server's `io-threads`. */
  readonly ioThreads: number;
  /** Commands a second, of all together. */
  readonly perSecond: number;
  /** How many commands there are. */
  readonly commands: number;
  /** Any whole number; the same gives the same run. */
  readonly seed: number;
}

const INSTANCES = 50;
/** All lanes are open by then, in milliseconds. */
const WARM_UP_MS = 1000;

/**
 * Lets instances send commands at random moments, and looks how long the replies take.
 *
 * @param options How many, and how often.
 * @returns What was found, beside what the theory of queues says.
 */
export async function runServerLoad(options: ServerLoadOptions): Promise<LoadRow> {
  const { commands, config, ioThreads, perSecond, seed } = options;
  const clock = new SimClock();
  const random = new Random(seed);
  using _host = takeHostTime(clock, random.next);
  const model = { ...USUAL_SERVER, ioThreads };
  const server = new ModelServer(clock, model);
  const counts = { asked: 0, answered: 0, failed: 0, trips: 0, answeredMs: 0 };
  const all = Array.from(
    { length: INSTANCES },
    () => new Instance(config, server, clock, counts),
  );
  for (const instance of all) instance.ask();
  await clock.runUntil(WARM_UP_MS);
  Object.assign(counts, { asked: 0, answered: 0, answeredMs: 0 });
  const ask = () => {
    all[Math.floor(random.next() * INSTANCES)]!.ask();
    if (counts.asked < commands) {
      clock.setTimer(ask, random.exponential(1000 / perSecond));
    }
  };
  ask();
  while (counts.answered + counts.failed < commands) {
    await clock.runUntil(clock.now() + 100);
  }
  const costMs = model.serviceMs + model.ioMs / ioThreads;
  const load = perSecond * costMs / 1000;
  const wait = meanWaitOfEqualMs(load, costMs);
  return {
    ...{ ioThreads, perSecond, load },
    meanMs: counts.answeredMs / counts.answered,
    theoryMs: wait === Infinity ? null : model.roundTripMs + costMs + wait,
  };
}
