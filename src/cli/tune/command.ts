import { Command, InvalidArgumentError } from "commander";
import { parseNumber } from "../commands.ts";
import { requirePermissions } from "../permissions.ts";
import type { CliIo } from "../terminal.ts";
import { SWEEP_NAMES, type SweepName } from "./report_types.ts";
import type { TuneExtras, TuneOptions } from "./run.ts";

const AFTER_HELP = `
Without --url, --config and REDIS_URL it starts a redis-server of its own for
the run. On any other server it uses only keys that begin with mooring:tune:,
and removes them at the end.

Exit codes: 0 measured; 1 slower than the earlier run of --compare; 2 it could
not measure, or the server appears to be in use (see --yes); 130 interrupted.
`;

function parseSweeps(text: string): SweepName[] {
  const names = text.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !SWEEP_NAMES.includes(name as SweepName));
  if (wrong === undefined) return names as SweepName[];
  throw new InvalidArgumentError(`It must be some of ${SWEEP_NAMES.join(", ")}.`);
}

/**
 * `tune`: measures a server and recommends settings for it.
 *
 * @param io What it reads and writes.
 * @param extras What a program adds.
 * @returns The command.
 */
export function makeTuneCommand(io: CliIo, extras: TuneExtras = {}): Command {
  const seconds = parseNumber(0.1, 86_400);
  const sweeps = `measure only some of ${SWEEP_NAMES.join(",")}`;
  return new Command("tune")
    .description("measure a server, and recommend settings for it")
    .option("-c, --config <file>", "measure the server of this YAML file")
    .option(
      "-d, --database <name>",
      "database of the file (default: main, or the first one)",
    )
    .option("-u, --url <url>", "measure this server (default: REDIS_URL)")
    .option("-y, --yes", "measure it even if it appears to be in use")
    .option("-q, --quick", "take less than a minute instead of up to fifteen")
    .option("--duration <seconds>", "how long the measurement may take", seconds)
    .option("--only <sweeps>", sweeps, parseSweeps)
    .option(
      "--rate <commands>",
      "rate of the measurement at a fixed rate, in commands a second (default: " +
        "shares of the highest rate)",
      parseNumber(1, 10_000_000),
    )
    .option("--json <file>", "write the result as JSON")
    .option("--report <file>", "write the result as a web page with charts")
    .option("--compare <file>", "compare with the JSON of an earlier run")
    .option("--write", "write the recommended settings into the file of --config")
    .addHelpText("after", AFTER_HELP)
    .action(async (options: TuneOptions) => {
      const files = [options.json, options.report].filter((path) => path !== undefined)
        .map((path) => ({ name: "write", path } as const));
      requirePermissions("tune", { name: "env" }, { name: "net" }, ...files);
      const { runTuneCommand } = await import("./run.ts");
      await runTuneCommand(io, options, extras);
    });
}
