/**
 * The suites that measure whole commands on a real server and have bounds.
 *
 * @module
 */
import { runBlocking } from "./blocking_bench.ts";
import { runPool } from "./pool_bench.ts";
import { runRecovery } from "./recovery_bench.ts";
import { runSpeed, type SpeedOptions } from "./speed_bench.ts";
import { runWrites } from "./writes_bench.ts";

/** What the suites are asked for. */
export type SuiteOptions = SpeedOptions;

/** Measures and prints; gives how many bounds were missed. */
type Suite = (options: SuiteOptions) => Promise<number>;

/** The suites by name, in the order in which they run. That of recovery, which takes five
 * minutes of waiting for outages, runs only when it is asked for. */
const SUITES: Readonly<Record<string, Suite>> = {
  speed: runSpeed,
  blocking: runBlocking,
  pool: runPool,
  writes: runWrites,
};

/**
 * Runs the suites.
 *
 * @param options What to measure; with `only`, the suite of that name, or those rows of the
 * speed suite.
 * @returns How many bounds were missed.
 */
export async function runSuites(options: SuiteOptions): Promise<number> {
  if (options.only === "recovery") return await runRecovery(options);
  if (options.only !== undefined) return await runSpeed(options);
  let missed = 0;
  for (const [name, run] of Object.entries(SUITES)) {
    console.error(`${name}:`);
    missed += await run(options);
  }
  return missed;
}
