/**
 * The commands and their options. What a command does is loaded when it is run: help and
 * completions need no permission and load no client.
 *
 * @module
 */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { requirePermissions } from "./permissions.ts";
import { CliExit, type CliIo, ExitCode } from "./terminal.ts";

/** Options of the commands that read a configuration. */
export interface ConfigOptions {
  /** The configuration's file; by default the first one of the search path. */
  readonly config?: string;
  /** Whether JSON is printed. */
  readonly json?: boolean;
}

/** Options of `doctor`. */
export interface DoctorOptions extends ConfigOptions {
  /** A server: alone, without a file and without the environment's settings. */
  readonly url?: string;
  /** The databases to check; all by default. */
  readonly database?: readonly string[];
  /** Processes that use the configuration at the same time. */
  readonly instances: number;
  /** Deadline of connecting to one database, in milliseconds. */
  readonly timeout: number;
}

/** Options of `stats`. */
export interface StatsOptions extends ConfigOptions {
  /** Where a service serves its text metrics. */
  readonly url?: string;
  /** Whether it repeats until it is interrupted. */
  readonly watch?: boolean;
  /** Time between two samples, in milliseconds. */
  readonly interval: number;
}

const AFTER_DOCTOR = `
Each line is ok, warn, fail or skip, with what to do about it: failures and warnings come
first. Nothing is written to any server. The exit code is 0 if all checks passed, 1 with
warnings, 2 with failures.

Examples:
  mooring doctor
  mooring doctor --config config/redis-databases.yaml --instances 8
  mooring doctor --url rediss://redis.internal:6380 --json
`;

const AFTER_STATS = `
With --url it reads the text metrics of a running service, as manager.healthResponse()
serves them. Without it, it opens the databases of the configuration itself, and asks each
once for every sample.

Examples:
  mooring stats --url http://localhost:8000/metrics --watch
  mooring stats --config config/redis-databases.yaml
`;

const AFTER_COMPLETIONS = `
Examples:
  mooring completions bash > ~/.local/share/bash-completion/completions/mooring
  mooring completions zsh > ~/.zfunc/_mooring
  mooring completions fish > ~/.config/fish/completions/mooring.fish
`;

const JSON_OPTION = ["--json", "print JSON, for programs"] as const;
const CONFIG_OPTION = [
  "-c, --config <file>",
  "the configuration; by default the first one of the search path",
] as const;

/**
 * Adds every command but `tune` to the program.
 *
 * @param program The program; commands inherit its settings.
 * @param io What the commands read and write.
 */
export function addCommands(program: Command, io: CliIo): void {
  program.command("doctor")
    .description("check the configuration and every server of it, and say what to do")
    .option(...CONFIG_OPTION)
    .option(
      "-u, --url <url>",
      "a server to check; alone, without any configuration",
      parseUrl(["redis:", "rediss:", "unix:", "redis+unix:"]),
    )
    .option("-d, --database <name...>", "the databases to check; all by default")
    .option(
      "-n, --instances <count>",
      "processes that use the configuration at the same time",
      parseCount,
      1,
    )
    .option(
      "-t, --timeout <seconds>",
      "deadline of connecting to one database (default: 10)",
      parseSeconds,
    )
    .option(...JSON_OPTION)
    .addHelpText("after", AFTER_DOCTOR)
    .action(async ({ timeout = 10_000, ...options }: DoctorOptions) => {
      requirePermissions("doctor", { name: "env" });
      const { runDoctor } = await import("./doctor/doctor.ts");
      await runDoctor(io, { ...options, timeout });
    });
  program.command("stats")
    .description("show the statistics of every database as a table")
    .addOption(
      new Option("-u, --url <url>", "where a service serves its text metrics")
        .argParser(parseUrl(["http:", "https:"]))
        .conflicts("config"),
    )
    .option(...CONFIG_OPTION)
    .option("-w, --watch", "repeat until interrupted")
    .option(
      "-i, --interval <seconds>",
      "time between two samples (default: 2)",
      parseSeconds,
    )
    .option(...JSON_OPTION)
    .addHelpText("after", AFTER_STATS)
    .action(async ({ interval = 2000, ...options }: StatsOptions) => {
      const { runStats } = await import("./stats.ts");
      await runStats(io, { ...options, interval });
    });
  addConfigCommands(
    program.command("config").description("check, explain or create a configuration"),
    io,
  );
  program.command("completions")
    .description("print a script that completes commands and options in a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(["bash", "zsh", "fish"]))
    .addHelpText("after", AFTER_COMPLETIONS)
    .action(async (shell: "bash" | "zsh" | "fish") => {
      const { completionScript } = await import("./completions.ts");
      io.out(completionScript(shell, program));
    });
}

function addConfigCommands(command: Command, io: CliIo): void {
  const load = (name: string) => {
    requirePermissions(`config ${name}`, { name: "env" });
    return import("./config.ts");
  };
  command.command("check")
    .description("report every error of the configuration")
    .option(...CONFIG_OPTION)
    .option(...JSON_OPTION)
    .action(async (options: ConfigOptions) =>
      await (await load("check")).runCheck(io, options)
    );
  command.command("explain")
    .description("print every effective value, and where it came from")
    .argument("[database]", "the database; all of them by default")
    .option(...CONFIG_OPTION)
    .option(...JSON_OPTION)
    .action(async (database: string | undefined, options: ConfigOptions) =>
      await (await load("explain")).runExplain(io, database, options)
    );
  command.command("schema")
    .description("print the JSON schema of the YAML file")
    .action(async () => (await load("schema")).runSchema(io));
  command.command("init")
    .description("write a commented file to start from")
    .argument("[file]", "where it goes", "config/redis-databases.yaml")
    .option("-f, --force", "replace an existing file")
    .action(async (file: string, { force = false }: { force?: boolean }) =>
      await (await load("init")).runInit(io, file, force)
    );
}

/**
 * Reads a number.
 *
 * @param least The smallest that is allowed.
 * @param most The largest that is allowed.
 * @returns A reader; it throws `InvalidArgumentError` for everything else.
 */
export function parseNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
  };
}

/** Reads seconds, such as `2` or `0.5`, as milliseconds. */
export function parseSeconds(text: string): number {
  return parseNumber(0.1, 86_400)(text) * 1000;
}

/** Reads a whole number. */
export function parseCount(text: string): number {
  if (/^\d+$/.test(text)) return parseNumber(1, 1_000_000)(text);
  throw new InvalidArgumentError("It must be a whole number from 1 to 1000000.");
}

/**
 * Reads the address behind `--url`.
 *
 * @param schemes What it may begin with, such as `redis:`.
 * @returns A reader. It throws {@linkcode CliExit}: the parser's own error repeats the text,
 * which may hold a password.
 */
export function parseUrl(schemes: readonly string[]): (text: string) => string {
  return (text) => {
    if (URL.canParse(text) && schemes.includes(new URL(text).protocol)) return text;
    const allowed = schemes.map((scheme) => `${scheme}//`).join(", ");
    const message = `error: --url must be a URL that begins with ${allowed}`;
    throw new CliExit(ExitCode.USAGE, message);
  };
}
