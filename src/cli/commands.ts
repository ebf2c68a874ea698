/**
 * The commands and their options. What a command does is loaded when it is run: help and
 * completions need no permission and load no client.
 *
 * @module
 */
import type { ConfigOptions } from "./load_config.ts";
import type { StatsOptions } from "./stats.ts";
import type { DoctorOptions } from "./doctor/doctor.ts";
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { requirePermissions } from "./permissions.ts";
import { CliExit, type CliIo, ExitCode } from "./terminal.ts";

const AFTER_INIT = `
It writes config/redis-databases.yaml and service.ts, asks nothing, and leaves
files that exist as they are. If no Redis answers, it says how to get one.
`;

const AFTER_DEV = `
It needs redis-server or valkey-server on PATH. If the port is taken it takes
another one, and says which. If the server dies, a new one starts.
`;

const AFTER_DOCTOR = `
Failures come first, then warnings, each with what to do about it, then the
settings that are not defaults. Nothing is written to any server. The exit code
is 0 if all checks passed, 1 with warnings, 2 with failures.

Examples:
  mooring doctor
  mooring doctor --config config/redis-databases.yaml --instances 8
  mooring doctor --url rediss://redis.internal:6380 --json
`;

const AFTER_STATS = `
With --url it reads the metrics that a running service serves by
manager.healthResponse(). Without it, it connects to the databases itself, and
shows whether each answers. The exit code is 1 if a database failed.

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

const OR = new Intl.ListFormat("en", { type: "disjunction" });
const JSON_OPTION = ["--json", "print JSON"] as const;
const CONFIG_OPTION = [
  "-c, --config <file>",
  "YAML file to read (default: config/redis-databases.yaml, or the file that " +
  "REDIS_CONFIG_PATH names)",
] as const;

/**
 * Adds every command but `tune` to the program.
 *
 * @param program The program; commands inherit its settings.
 * @param io What the commands read and write.
 */
export function addCommands(program: Command, io: CliIo): void {
  program.command("init")
    .description("write a configuration and a service to start from")
    .argument("[folder]", "where to write them", ".")
    .addHelpText("after", AFTER_INIT)
    .action(async (folder: string) => {
      const { runInit } = await import("./init.ts");
      await runInit(io, folder);
    });
  program.command("dev")
    .description("run a Redis that keeps nothing, until Ctrl-C")
    .option("-p, --port <port>", "where it listens (default: 6379)", parsePort)
    .addHelpText("after", AFTER_DEV)
    .action(async ({ port }: { port?: number }) => {
      const { runDev } = await import("./dev.ts");
      await runDev(io, port);
    });
  program.command("doctor")
    .description("find out what does not work, and what to do about it")
    .option(...CONFIG_OPTION)
    .option(
      "-u, --url <url>",
      "check this server, and read no configuration",
      parseUrl(["redis:", "rediss:", "unix:", "redis+unix:"]),
    )
    .option("-d, --database <name...>", "check these databases only")
    .option(
      "-n, --instances <count>",
      "how many processes will share the servers",
      parseCount,
      1,
    )
    .option(
      "-t, --timeout <seconds>",
      "longest wait for a connection (default: 10)",
      parseSeconds,
    )
    .option("-a, --all", "show what is fine, and settings that are defaults, too")
    .option(...JSON_OPTION)
    .addHelpText("after", AFTER_DOCTOR)
    .action(async ({ timeout = 10_000, ...options }: DoctorOptions) => {
      requirePermissions("doctor", { name: "env" });
      const { runDoctor } = await import("./doctor/doctor.ts");
      await runDoctor(io, { ...options, timeout });
    });
  program.command("stats")
    .description("show how busy and how healthy each database is")
    .addOption(
      new Option("-u, --url <url>", "address of a running service's metrics")
        .argParser(parseUrl(["http:", "https:"]))
        .conflicts("config"),
    )
    .option(...CONFIG_OPTION)
    .option("-w, --watch", "repeat until Ctrl-C")
    .option(
      "-i, --interval <seconds>",
      "time between two readings (default: 2)",
      parseSeconds,
    )
    .option(...JSON_OPTION)
    .addHelpText("after", AFTER_STATS)
    .action(async ({ interval = 2000, ...options }: StatsOptions) => {
      const { runStats } = await import("./stats.ts");
      await runStats(io, { ...options, interval });
    });
  addConfigCommands(
    program.command("config").description("check, explain or write a configuration"),
    io,
  );
  program.command("completions")
    .description("print a script that completes commands on the Tab key")
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
    .description("say whether the configuration can be used, and all that is wrong")
    .argument("[file]", "the YAML file, as --config")
    .option(...CONFIG_OPTION)
    .option(...JSON_OPTION)
    .action(async (file: string | undefined, options: ConfigOptions) => {
      if (file !== undefined && options.config !== undefined) {
        throw new CliExit(ExitCode.USAGE, "Two files are given: leave --config out");
      }
      await (await load("check")).runCheck(io, { config: file, ...options });
    });
  command.command("explain")
    .description("print each setting, its value, and where the value comes from")
    .argument("[name]", "the database (default: all)")
    .option(...CONFIG_OPTION)
    .option(...JSON_OPTION)
    .action(async (database: string | undefined, options: ConfigOptions) =>
      await (await load("explain")).runExplain(io, database, options)
    );
  command.command("schema")
    .description("print the JSON schema of the file, for editors")
    .action(async () => (await load("schema")).runSchema(io));
  command.command("init")
    .description("write a file with every setting and its default in comments")
    .argument("[file]", "where to write it", "config/redis-databases.yaml")
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

/** Reads a TCP port. */
function parsePort(text: string): number {
  return parseNumber(1, 65_535)(String(parseCount(text)));
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
    const allowed = OR.format(schemes.map((scheme) => `${scheme}//`));
    const message = `error: --url must be a URL that begins with ${allowed}`;
    throw new CliExit(ExitCode.USAGE, message);
  };
}
