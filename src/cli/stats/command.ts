import { Command, Option } from "commander";
import type { CliIo } from "../io.ts";
import { configOption, jsonOption, parseSeconds, parseUrl } from "../options.ts";
import { requirePermissions } from "../permissions.ts";

/** What the user asked of the statistics. */
export interface StatsOptions {
  /** Where a service shows its text metrics. */
  readonly url?: string;
  /** The configuration's file, for a manager of our own. */
  readonly config?: string;
  /** Whether it goes on until it is interrupted. */
  readonly watch?: boolean;
  /** Time between two looks, in milliseconds. */
  readonly interval: number;
  /** Whether JSON is printed. */
  readonly json?: boolean;
}

const INTERVAL_MS = 2000;

const AFTER_HELP = `
With --url the numbers are those of a running service, from the text metrics that
manager.healthResponse() serves. Without it, the databases of the configuration are
opened and asked once at each look.

Examples:
  mooring stats --url http://localhost:8000/metrics --watch
  mooring stats --config config/redis-databases.yaml
`;

/**
 * `stats`: a table of every database's numbers.
 *
 * @param io What it reads and writes.
 * @returns The command.
 */
export function makeStatsCommand(io: CliIo): Command {
  return new Command("stats")
    .description("show the numbers of every database as a table")
    .addOption(
      new Option("-u, --url <url>", "where a service serves its text metrics")
        .argParser(parseUrl(["http:", "https:"]))
        .conflicts("config"),
    )
    .addOption(configOption())
    .option("-w, --watch", "go on until interrupted")
    .option(
      "-i, --interval <seconds>",
      "time between two looks (default: 2)",
      parseSeconds,
    )
    .addOption(jsonOption())
    .addHelpText("after", AFTER_HELP)
    .action(async (options: StatsOptions) => {
      // The client reads the environment when it is loaded; a URL needs none.
      if (options.url === undefined) requirePermissions("stats", { name: "env" });
      const { runStats } = await import("./run.ts");
      await runStats(io, { ...options, interval: options.interval ?? INTERVAL_MS });
    });
}
