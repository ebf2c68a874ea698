import { Command } from "commander";
import type { CliIo } from "../io.ts";
import {
  configOption,
  jsonOption,
  parseCount,
  parseSeconds,
  parseUrl,
} from "../options.ts";
import { requirePermissions } from "../permissions.ts";

/** What the user asked of the doctor. */
export interface DoctorOptions {
  /** The configuration's file. */
  readonly config?: string;
  /** A server, in place of those of the configuration. */
  readonly url?: string;
  /** The databases to look at; all by default. */
  readonly database?: readonly string[];
  /** Processes that use the configuration at the same time. */
  readonly instances: number;
  /** How long one database may take, in milliseconds. */
  readonly timeout: number;
  /** Whether JSON is printed. */
  readonly json?: boolean;
}

const TIMEOUT_MS = 10_000;
const REDIS_SCHEMES = ["redis:", "rediss:", "unix:", "redis+unix:"];

const AFTER_HELP = `
Each line is ok, warn, fail or skip, with what to do about it. Nothing is written to any
server. The exit code is 0 if all is well, 1 if something deserves a look, 2 if something
does not work.

Examples:
  mooring doctor
  mooring doctor --config config/redis-databases.yaml --instances 8
  mooring doctor --url rediss://redis.internal:6380 --json
`;

/**
 * `doctor`: what the configuration says, and how its servers are.
 *
 * @param io What it reads and writes.
 * @returns The command.
 */
export function makeDoctorCommand(io: CliIo): Command {
  return new Command("doctor")
    .description("look at the configuration and every server of it, and say what to do")
    .addOption(configOption())
    .option(
      "-u, --url <url>",
      "a server to look at; alone, without any configuration",
      parseUrl(REDIS_SCHEMES),
    )
    .option("-d, --database <name...>", "the databases to look at; all by default")
    .option(
      "-n, --instances <count>",
      "processes that use the configuration at the same time",
      parseCount,
      1,
    )
    .option(
      "-t, --timeout <seconds>",
      "how long one database may take to connect (default: 10)",
      parseSeconds,
    )
    .addOption(jsonOption())
    .addHelpText("after", AFTER_HELP)
    .action(async (options: DoctorOptions & { timeout?: number }) => {
      requirePermissions("doctor", { name: "env" });
      const { runDoctor } = await import("./run.ts");
      await runDoctor(io, { ...options, timeout: options.timeout ?? TIMEOUT_MS });
    });
}
