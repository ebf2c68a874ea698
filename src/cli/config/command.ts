import { Argument, Command } from "commander";
import type { CliIo } from "../io.ts";
import { configOption, jsonOption } from "../options.ts";
import { requirePermissions } from "../permissions.ts";

/** What the commands about a configuration have in common. */
export interface ConfigOptions {
  /** The configuration's file. */
  readonly config?: string;
  /** Whether JSON is printed. */
  readonly json?: boolean;
}

/** What a starter file is written with. */
export interface InitOptions {
  /** Whether a file that is there is replaced. */
  readonly force?: boolean;
}

/** Where a starter file goes, if nobody says. */
const STARTER = "config/redis-databases.yaml";

/**
 * `config`: checks, explains and begins configurations.
 *
 * @param io What it reads and writes.
 * @returns The command.
 */
export function makeConfigCommand(io: CliIo): Command {
  return new Command("config")
    .description("check, explain or begin a configuration")
    .addCommand(
      new Command("check")
        .description("say everything that is wrong with the configuration")
        .addOption(configOption())
        .addOption(jsonOption())
        .action(async (options: ConfigOptions) => {
          requirePermissions("config check", { name: "env" });
          const { runCheck } = await import("./run.ts");
          await runCheck(io, options);
        }),
    )
    .addCommand(
      new Command("explain")
        .description("print every value that counts, and where it came from")
        .argument("[database]", "the database; all of them by default")
        .addOption(configOption())
        .addOption(jsonOption())
        .action(async (database: string | undefined, options: ConfigOptions) => {
          requirePermissions("config explain", { name: "env" });
          const { runExplain } = await import("./run.ts");
          await runExplain(io, database, options);
        }),
    )
    .addCommand(
      new Command("schema")
        .description("print the JSON schema of the YAML file")
        .action(async () => {
          requirePermissions("config schema", { name: "env" });
          const { runSchema } = await import("./run.ts");
          runSchema(io);
        }),
    )
    .addCommand(
      new Command("init")
        .description("write a commented file to start from")
        .addArgument(new Argument("[file]", "where it goes").default(STARTER))
        .option("-f, --force", "replace a file that is there")
        .action(async (file: string, options: InitOptions) => {
          requirePermissions("config init", { name: "env" });
          const { runInit } = await import("./run.ts");
          await runInit(io, file, options);
        }),
    );
}
