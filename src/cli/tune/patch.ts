import { type ManagerConfig, RedisConfigLoader } from "../../../mod.ts";
import { editSettings } from "../../config/main.ts";
import type { Advice } from "./report_types.ts";

/** The changes among the advice, by their names in YAML. */
export function changesOf(advice: readonly Advice[]): Record<string, number> {
  return Object.fromEntries(
    advice.filter(({ current, value }) => current !== value)
      .map(({ key, value }) => [key, value]),
  );
}

/**
 * The YAML that makes the changes.
 *
 * @param advice The advice.
 * @param database Name of the database; without it, for all.
 * @returns The text; empty if nothing is to be changed.
 */
export function patchText(advice: readonly Advice[], database?: string): string {
  const changed = advice.filter(({ current, value }) => current !== value);
  if (changed.length === 0) return "";
  const indent = database === undefined ? "" : "    ";
  const lines = changed.map(({ current, key, value }) =>
    `${indent}${key}: ${value} # was ${current}`
  );
  const head = database === undefined ? [] : ["databases:", `  ${database}:`];
  return [...head, ...lines, ""].join("\n");
}

/** A variable of the environment. */
type Env = (name: string) => string | undefined;

/** Whether a file's text names a database itself. */
function namesDatabase(text: string, database: string, env: Env): boolean {
  const { options } = RedisConfigLoader.fromYaml(text, undefined, env);
  return Object.hasOwn(options.databases ?? {}, database);
}

/** The names in YAML as the loader calls them, and how its value is written. */
const IN_CODE = {
  max_lanes: ["maxLanes", 1],
  max_connections: ["maxConnections", 1],
  acquire_timeout: ["acquireTimeoutMs", 1000],
  socket_timeout: ["commandTimeoutMs", 1000],
} as const;

/**
 * Writes the changes into a file: into the database's own settings if the file has such a
 * database, else into those for all. The new text is loaded before it takes the old one's
 * place, in one step; what goes wrong leaves the file as it was.
 *
 * @param path The file.
 * @param advice The advice.
 * @param database Name of the database.
 * @param env The environment that the file is loaded with.
 * @throws {ConfigError} If it cannot be edited, or would not load.
 * @throws {Error} If the loaded values are not those that were written.
 */
export async function writePatch(
  path: string,
  advice: readonly Advice[],
  database: string,
  env: Env,
): Promise<void> {
  const changes = changesOf(advice);
  if (Object.keys(changes).length === 0) return;
  // A link stays a link.
  const file = await Deno.realPath(path);
  const text = await Deno.readTextFile(file);
  const target = namesDatabase(text, database, env) ? { database } : {};
  const edited = editSettings(text, changes, { ...target, origin: path });
  const { mode } = await Deno.stat(file);
  const temporary = `${file}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    await Deno.writeTextFile(temporary, edited, { mode: mode ?? 0o644, createNew: true });
    // In its own folder, as it may name others beside it.
    const loaded = await RedisConfigLoader.load({ yamlPath: temporary, env });
    check(loaded, path, changes, database);
    await Deno.rename(temporary, file);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

function check(
  { databases }: ManagerConfig,
  path: string,
  changes: Record<string, number>,
  database: string,
): void {
  for (const [key, value] of Object.entries(changes)) {
    const [name, factor] = IN_CODE[key as keyof typeof IN_CODE];
    const found = databases[database]?.[name];
    if (found === value * factor) continue;
    throw new Error(
      `Cannot write ${key}: ${value} to ${path}: it would load as ${found}`,
    );
  }
}
