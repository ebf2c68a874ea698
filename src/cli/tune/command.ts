import { Command, InvalidArgumentError } from "commander";
import { parseNumber } from "../commands.ts";
import { requirePermissions } from "../permissions.ts";
import type { CliIo } from "../terminal.ts";
import type { Contender } from "./contender.ts";
import type { ExtraSection } from "./report/page.ts";
import { SWEEP_NAMES, type SweepName } from "./report_types.ts";

/** Options of `tune`. */
export interface TuneOptions {
  /** A server. */
  readonly url?: string;
  /** The configuration's file. */
  readonly config?: string;
  /** Its database. */
  readonly database?: string;
  /** Whether a server is measured that appears to be in use. */
  readonly yes?: boolean;
  /** Whether the run takes less than a minute. */
  readonly quick?: boolean;
  /** How long the sweeps may take, in seconds. */
  readonly duration?: number;
  /** The sweeps; all by default. */
  readonly only?: readonly SweepName[];
  /** Commands a second of the open loop. */
  readonly rate?: number;
  /** File for the report as JSON. */
  readonly json?: string;
  /** File for the report as a page. */
  readonly report?: string;
  /** JSON report of an earlier run. */
  readonly compare?: string;
  /** Whether the changes are written into the configuration's file. */
  readonly write?: boolean;
}

/** What a program adds to the command. */
export interface TuneExtras {
  /** Clients that are measured beside the manager. Default: none. */
  readonly rivals?: readonly Contender[];
  /** Makes further sections of the page, after the sweeps. */
  readonly sections?: () => Promise<readonly ExtraSection[]>;
}

const AFTER_HELP = `
Without --url, --config and REDIS_URL it starts a redis-server of its own for the run. On
any other server it touches only keys that begin with mooring:tune:, and removes them.

Exit codes: 0 measured; 1 worse than the report of --compare by more than the noise; 2 it
could not measure, or the server appears to be in use (see --yes); 130 interrupted.
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
  const sweeps = `some of ${SWEEP_NAMES.join(",")}; all by default`;
  return new Command("tune")
    .description("measure a server, and recommend sizes and timeouts for it")
    .option("-c, --config <file>", "measure the server of this configuration")
    .option("-d, --database <name>", "its database; by default main, or the first one")
    .option("-u, --url <url>", "measure this server; by default REDIS_URL")
    .option("-y, --yes", "measure it even if it appears to be in use")
    .option("-q, --quick", "less than a minute, in place of less than fifteen")
    .option("--duration <seconds>", "how long the sweeps may take", seconds)
    .option("--only <sweeps>", sweeps, parseSweeps)
    .option(
      "--rate <commands>",
      "commands a second of the open loop; by default shares of the throughput",
      parseNumber(1, 10_000_000),
    )
    .option("--json <file>", "write the report as JSON")
    .option("--report <file>", "write the report as a page, with its JSON inside")
    .option("--compare <file>", "compare with the JSON of an earlier run")
    .option("--write", "write the changes into the file of --config")
    .addHelpText("after", AFTER_HELP)
    .action(async (options: TuneOptions) => {
      const files = [options.json, options.report].filter((path) => path !== undefined)
        .map((path) => ({ name: "write", path } as const));
      requirePermissions("tune", { name: "env" }, { name: "net" }, ...files);
      const { runTuneCommand } = await import("./run.ts");
      await runTuneCommand(io, options, extras);
    });
}
