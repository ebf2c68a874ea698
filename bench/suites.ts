/**
 * The suites that measure whole commands on a real server and have bounds.
 *
 * @module
 */
import { runBlocking } from "./blocking_bench.ts";
import { runSpeed, type SpeedOptions } from "./speed_bench.ts";

/** What the suites are asked for. */
export type SuiteOptions = SpeedOptions;

/**
 * Runs the suites.
 *
 * @param options What to measure; with `only`, the speed suite alone.
 * @returns How many bounds were missed.
 */
export async function runSuites(options: SuiteOptions): Promise<number> {
  const missed = await runSpeed(options);
  if (options.only !== undefined) return missed;
  return missed + await runBlocking(options.quick ? 3 : 7);
}
