import { RedisConfigLoader } from "../../../mod.ts";
import { editSettings } from "../../config/main.ts";
import type { Advice } from "./report_types.ts";

/** The advice that changes something. */
export function changesOf(advice: readonly Advice[]): Advice[] {
  return advice.filter(({ current, value }) => current !== value);
}

/**
 * The YAML that makes the changes.
 *
 * @param advice The advice.
 * @param database Name of the database; without it, for all.
 * @returns The text; empty if nothing is to be changed.
 */
export function patchText(advice: readonly Advice[], database?: string): string {
  const [head, indent] = database === undefined
    ? ["", ""]
    : [`databases:\n  ${database}:\n`, "    "];
  const lines = changesOf(advice).map(({ current, key, value }) =>
    `${indent}${key}: ${value} # was ${current}\n`
  );
  return lines.length === 0 ? "" : head + lines.join("");
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
 * database, else into those for all. The new text is loaded before it replaces the old one
 * atomically; if anything fails, the file stays as it was.
 *
 * @param path The file.
 * @param advice The advice.
 * @param database Name of the database.
 * @param env Reads the environment that the file is loaded with.
 * @throws {ConfigError} If it cannot be edited, or would not load.
 * @throws {Error} If the loaded values are not those that were written.
 */
export async function writePatch(
  path: string,
  advice: readonly Advice[],
  database: string,
  env: (name: string) => string | undefined,
): Promise<void> {
  const changes = changesOf(advice);
  if (changes.length === 0) return;
  // A link stays a link.
  const file = await Deno.realPath(path);
  const text = await Deno.readTextFile(file);
  const { databases = {} } = RedisConfigLoader.fromYaml(text, undefined, env).options;
  const edited = editSettings(
    text,
    Object.fromEntries(changes.map(({ key, value }) => [key, value])),
    { origin: path, database: Object.hasOwn(databases, database) ? database : undefined },
  );
  const { mode } = await Deno.stat(file);
  // In its own folder, as it may name others beside it.
  const temporary = `${file}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    await Deno.writeTextFile(temporary, edited, { mode: mode ?? 0o644, createNew: true });
    const loaded = await RedisConfigLoader.load({ yamlPath: temporary, env });
    for (const { key, value } of changes) {
      const [name, factor] = IN_CODE[key];
      const found = loaded.databases[database]?.[name];
      if (found === value * factor) continue;
      const problem =
        `Cannot write ${key}: ${value} to ${path}: it would load as ${found}`;
      throw new Error(problem);
    }
    await Deno.rename(temporary, file);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}
