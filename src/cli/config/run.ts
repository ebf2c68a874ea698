import { ConfigError, type ExplainedValue, RedisConfigLoader } from "../../../mod.ts";
import { configJsonSchema, starterYaml } from "../../config/main.ts";
import { CliExit, ExitCode } from "../exit.ts";
import type { CliIo } from "../io.ts";
import { loadConfig } from "../load.ts";
import { makePaint } from "../paint.ts";
import { requirePermissions } from "../permissions.ts";
import type { ConfigOptions, InitOptions } from "./command.ts";

function printJson(io: CliIo, value: unknown): void {
  io.out(`${JSON.stringify(value, null, 2)}\n`);
}

/**
 * `config check`: everything that is wrong, and what is probably not meant.
 *
 * @param io What it reads and writes.
 * @param options The file, and whether JSON is printed.
 * @throws {CliExit} With 1 for warnings, with 2 if the configuration cannot be used.
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
    for (const warning of warnings) io.out(`${paint.yellow("warn")} ${warning}\n`);
    io.out(`${paint.green("ok")}   ${count(databases.length, "database")} can be used\n`);
  }
  if (warnings.length > 0) throw new CliExit(ExitCode.WARNINGS);
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/**
 * `config explain`: every value that counts, where it came from, what it overrode.
 *
 * @param io What it reads and writes.
 * @param database The database; all by default.
 * @param options The file, and whether JSON is printed.
 * @throws {ConfigError} If the configuration cannot be used.
 * @throws {UnknownDatabaseError} If it has no such database.
 */
export async function runExplain(
  io: CliIo,
  database: string | undefined,
  options: ConfigOptions,
): Promise<void> {
  const config = await loadConfig("config explain", options);
  const values = config.explain(database);
  if (options.json) return printJson(io, values);
  io.out(explainLines(values).map((line) => `${line}\n`).join(""));
}

/**
 * Values with their origins, in lines for people.
 *
 * @param values The values; secrets are masked already.
 * @returns A line for each value, and one for each that it overrode.
 */
export function explainLines(values: readonly ExplainedValue[]): string[] {
  const texts = values.map(({ path, value }) => `${path} = ${JSON.stringify(value)}`);
  const width = Math.min(60, Math.max(0, ...texts.map(({ length }) => length)));
  return values.flatMap(({ origin, overrode }, i) => [
    `${texts[i]!.padEnd(width)}  ${origin}`,
    ...overrode.map((other) =>
      `    instead of ${JSON.stringify(other.value)}  ${other.origin}`
    ),
  ]);
}

/**
 * `config schema`: the JSON schema of the YAML file.
 *
 * @param io What it reads and writes.
 */
export function runSchema(io: CliIo): void {
  printJson(io, configJsonSchema());
}

/**
 * `config init`: a commented file to start from.
 *
 * @param io What it reads and writes.
 * @param file Where it goes.
 * @param options Whether a file that is there is replaced.
 * @throws {CliExit} If there is a file already, or a permission is missing.
 * @throws {ConfigError} If it cannot be written.
 */
export async function runInit(
  io: CliIo,
  file: string,
  { force = false }: InitOptions,
): Promise<void> {
  requirePermissions("config init", { name: "read" }, { name: "write" });
  const written = await RedisConfigLoader.writeDefaultConfig(file);
  if (!written && !force) {
    throw new CliExit(
      ExitCode.FAILED,
      `Cannot write ${file}: there is a file already; --force replaces it`,
    );
  }
  if (!written) await Deno.writeTextFile(file, starterYaml());
  io.out(`Written: ${file}\nNext: mooring config check --config ${file}\n`);
}
