import { ConfigError } from "../core/errors/base.ts";
import { configJsonSchema, type JsonSchema } from "./json_schema.ts";
import { DATABASE_SETTINGS, MANAGER_SETTINGS, yamlDefault } from "./names.ts";
import { displayPath, isDenoPresent } from "./sources/files.ts";

/** What a starter file begins with. */
const HEAD = `# Redis databases. Durations are seconds. A value may name a variable of the
# environment, such as \${REDIS_PASSWORD}, or \${REDIS_HOST:-localhost} with a default.

databases:
  main:
    db: 0
    description: Main data
  cache:
    db: 1
    description: What can be computed again

# Settings of every database; one that a database has of its own goes before these.
# Every setting follows with its default. Take the # away to change one.
`;

/**
 * The text of a file to start from: two databases, and every setting in comments.
 *
 * @returns The YAML.
 *
 * @example Usage
 * ```ts
 * import { RedisConfigLoader, starterYaml } from "@mooring/redis/config";
 * import { assertEquals } from "@std/assert";
 *
 * const config = await RedisConfigLoader.load({ yamlText: starterYaml(), env: {} });
 * assertEquals(Object.keys(config.databases), ["main", "cache"]);
 * ```
 */
export function starterYaml(): string {
  const lines: string[] = [HEAD];
  const schema = configJsonSchema();
  let group = "";
  for (const setting of [...DATABASE_SETTINGS, ...MANAGER_SETTINGS]) {
    if (setting.key === "aliasOf" || setting.key === "description") continue;
    if (setting.kind.type === "function") continue;
    const [first, member] = setting.yaml.split(".") as [string, string?];
    const value = yamlDefault(setting) || "null";
    lines.push(`# ${describe(setting.yaml, schema)}`);
    if (member === undefined) lines.push(`# ${first}: ${value}`, "");
    else {
      if (first !== group) lines.push(`# ${first}:`);
      group = first;
      lines.push(`#   ${member}: ${value}`, "");
    }
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

/** What the schema says of a setting, by its path in YAML. */
function describe(path: string, schema: JsonSchema): string {
  const { definitions, properties } = schema as unknown as {
    definitions: { database: Described };
    properties: Described["properties"];
  };
  const root = { properties: { ...properties, ...definitions.database.properties } };
  const found = path.split(".").reduce<Described | undefined>((part, name) => {
    // A group that has a short form comes first among its forms.
    const { properties } = part?.anyOf?.[0] ?? part ?? {};
    return properties?.[name];
  }, root);
  return found?.description ?? "";
}

/** A part of the schema. */
interface Described {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly anyOf?: readonly Described[];
}

/**
 * Writes a commented starter file, and creates its directory. A file that exists is
 * never touched.
 *
 * @returns Whether it was written; `false` if there is a file already.
 * @throws {ConfigError} If it cannot be written.
 */
export async function writeStarter(path: string | URL): Promise<boolean> {
  const label = displayPath(path);
  const refuse = (message: string): never => {
    throw new ConfigError([{ origin: label, key: "", message }]);
  };
  if (!isDenoPresent()) {
    return refuse("cannot write the file: this platform has no files");
  }
  const directory = label.includes("/") ? label.replace(/\/[^/]*$/, "") : "";
  try {
    // Fails with AlreadyExists too, where a file stands in place of a directory.
    if (directory !== "") await Deno.mkdir(directory, { recursive: true });
  } catch (error) {
    return refuse(`cannot make the directory: ${writeFailure(error)}`);
  }
  try {
    await Deno.writeTextFile(path, starterYaml(), { createNew: true });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    return refuse(`cannot write the file: ${writeFailure(error)}`);
  }
}

function writeFailure(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) {
    return "it is not allowed; run with --allow-write and --allow-read";
  }
  return error instanceof Error ? error.name : "unknown reason";
}
