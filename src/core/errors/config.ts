import { RedisManagerError } from "./base.ts";
import { nearest } from "../nearest.ts";

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Where the value came from: `config/redis-databases.yaml:14:5`, `env REDIS_PORT`. */
  origin: string;
  /** Path of the setting as its source writes it: `databases.cache.max_connections` in
   * YAML, `databases.cache.maxConnections` in code. */
  key: string;
  /** What is wrong: what was found and what is allowed; secrets masked. */
  message: string;
}

/** Most problems that the message spells out; `problems` has them all. */
const MAX_LISTED = 50;

/**
 * A configuration that cannot be used. It lists all that is wrong with it, not only
 * the first. No secret is ever part of it.
 *
 * @example Usage
 * ```ts
 * import { ConfigError, RedisConfigLoader } from "@mooring/redis";
 * import { assertInstanceOf, assertStringIncludes } from "@std/assert";
 *
 * const error = await RedisConfigLoader.load({ yamlText: "port: abc", env: {} })
 *   .catch((error) => error);
 * assertInstanceOf(error, ConfigError);
 * assertStringIncludes(error.message, "port");
 * ```
 */
export class ConfigError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "CONFIG";
  /** Everything that is wrong, in the order of the file. */
  readonly problems: readonly ConfigProblem[];
  /** Where the first problem came from. */
  readonly origin: string;
  /** Path of the setting of the first problem. */
  readonly key: string;

  /**
   * Makes an error out of problems.
   *
   * @param problems What is wrong; at least one.
   */
  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.slice(0, MAX_LISTED).map((p) =>
      `${p.origin}: ${p.key ? `${p.key}: ` : ""}${p.message}`
    );
    if (problems.length > MAX_LISTED) {
      lines.push(`and ${problems.length - MAX_LISTED} more`);
    }
    const text = problems.length === 1
      ? `Cannot use the configuration: ${lines[0]}`
      : `Cannot use the configuration (${problems.length} problems):\n  ${
        lines.join("\n  ")
      }`;
    super("CONFIG", text);
    this.problems = [...problems];
    this.origin = problems[0]?.origin ?? "";
    this.key = problems[0]?.key ?? "";
  }
}

/**
 * A database name that the configuration does not have.
 *
 * @example Usage
 * ```ts
 * import { UnknownDatabaseError } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new UnknownDatabaseError("cahce", ["main", "cache"]);
 * assertEquals(error.suggestion, "cache");
 * ```
 */
export class UnknownDatabaseError extends RedisManagerError {
  /** Stable code of this class. */
  declare readonly code: "UNKNOWN_DATABASE";
  /** The names that there are. */
  readonly available: readonly string[];
  /** The name that was probably meant, if one is near enough. */
  readonly suggestion?: string;

  /**
   * Makes the error.
   *
   * @param name The name that was asked for.
   * @param available The names that there are.
   * @param note What else is to be said, in words. Default: the name that was meant.
   */
  constructor(name: string, available: readonly string[], note?: string) {
    const suggestion = nearest(name, available);
    const meant = suggestion === undefined ? "" : `; did you mean "${suggestion}"?`;
    const hint = note === undefined ? meant : `; ${note}`;
    const known = available.length === 0 ? "none" : available.join(", ");
    super(
      "UNKNOWN_DATABASE",
      `Cannot find database "${name}" in the configuration (available: ${known})${hint}`,
      { database: name },
    );
    this.available = [...available];
    if (suggestion !== undefined) this.suggestion = suggestion;
  }
}
