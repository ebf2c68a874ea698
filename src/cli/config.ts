import { ConfigError, type ExplainedValue, RedisConfigLoader } from "../../mod.ts";
import { configJsonSchema, starterYaml } from "../config/main.ts";
import { type ConfigOptions, loadConfig, sourceOf } from "./load_config.ts";
import { counted } from "./numbers.ts";
import { requirePermissions } from "./permissions.ts";
import { CliExit, type CliIo, ExitCode, makePaint, printJson, wrap } from "./terminal.ts";

/**
 * `config check`: every error, and what is probably not meant.
 *
 * @throws {CliExit} With 1 for warnings, with 2 if the configuration is not valid.
 */
export async function runCheck(io: CliIo, options: ConfigOptions): Promise<void> {
  const loaded = await loadConfig("config check", options).catch((error) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
  if (loaded instanceof ConfigError) {
    const { problems } = loaded;
    if (options.json) printJson(io, { ok: false, databases: [], problems, warnings: [] });
    else io.err(`${loaded.message}\n`);
    throw new CliExit(ExitCode.FAILED);
  }
  const databases = Object.keys(loaded.databases);
  const { warnings } = loaded;
  if (options.json) printJson(io, { ok: true, databases, problems: [], warnings });
  else {
    const paint = makePaint(io.useColor);
    for (const warning of warnings) {
      io.out(`${wrap(io, `${paint.yellow("warn")} ${warning}`, 5)}\n`);
    }
    io.out(
      `${paint.green("ok")}   ${counted(databases.length, "database")} can be used ` +
        `(${sourceOf(loaded)})\n`,
    );
  }
  if (warnings.length > 0) throw new CliExit(ExitCode.WARNINGS);
}

/** `config explain`: every effective value, where it came from, what it overrode. */
export async function runExplain(
  io: CliIo,
  database: string | undefined,
  options: ConfigOptions,
): Promise<void> {
  const config = await loadConfig("config explain", options);
  const values = config.explain(database);
  if (options.json) return printJson(io, values);
  io.out(explainLines(io, values).map((line) => `${line}\n`).join(""));
}

/** A line for each value with its origin, and one for each value that it overrode. */
export function explainLines(io: CliIo, values: readonly ExplainedValue[]): string[] {
  const texts = values.map(({ path, value }) => `${path} = ${JSON.stringify(value)}`);
  const longest = Math.max(0, ...texts.map(({ length }) => length));
  // Room for an origin; a longer value moves its own origin only.
  const width = Math.min(60, io.columns - 24, longest);
  return values.flatMap(({ origin, overrode }, i) => [
    `${texts[i]!.padEnd(width)}  ${origin}`,
    ...overrode.map((other) =>
      `    instead of ${JSON.stringify(other.value)}  ${other.origin}`
    ),
  ]).map((line) => wrap(io, line, 6));
}

/** `config schema`: the JSON schema of the YAML file. */
export function runSchema(io: CliIo): void {
  printJson(io, configJsonSchema());
}

/**
 * `config init`: a commented file to start from.
 *
 * @throws {CliExit} If there is a file already, or a permission is missing.
 */
export async function runInit(
  io: CliIo,
  file: string,
  force: boolean,
): Promise<void> {
  requirePermissions("config init", { name: "read" }, { name: "write" });
  const written = await RedisConfigLoader.writeDefaultConfig(file);
  if (!written && !force) {
    throw new CliExit(
      ExitCode.FAILED,
      `Cannot write ${file}: it exists already; --force replaces it`,
    );
  }
  if (!written) await Deno.writeTextFile(file, starterYaml());
  io.out(`Written: ${file}\nNext: mooring config check --config ${file}\n`);
}
