/**
 * The benches that measure whole commands on a real server: `deno task bench`.
 *
 * `--check` ends with 1 if a bound is missed, `--quick` takes shorter rounds,
 * `--only=TEXT` runs the rows whose name has the text in it. `REDIS_URL` names the
 * server; without it one is started for the run.
 *
 * @module
 */
import { runSpeed, type SpeedOptions } from "./speed_bench.ts";

const USAGE = "Usage: deno task bench [--check] [--quick] [--only=TEXT]";

interface Arguments extends SpeedOptions {
  check: boolean;
}

function parseArguments(args: readonly string[]): Arguments | undefined {
  const parsed: Arguments = { check: false };
  for (const arg of args) {
    if (arg === "--check") parsed.check = true;
    else if (arg === "--quick") parsed.quick = true;
    else if (arg.startsWith("--only=")) parsed.only = arg.slice("--only=".length);
    else return undefined;
  }
  return parsed;
}

if (import.meta.main) {
  const options = parseArguments(Deno.args);
  if (options === undefined) {
    console.error(USAGE);
    Deno.exitCode = 2;
  } else {
    const missed = await runSpeed(options);
    if (options.check && missed > 0) Deno.exitCode = 1;
  }
}
