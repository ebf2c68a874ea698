import type { Dialect } from "./schema/kinds.ts";

/** The sources of configuration, highest priority first. */
export const SOURCES = [
  "overrides",
  "environment",
  "yaml",
  "registry",
  "timeouts",
] as const;

/** Name of one source of configuration. */
export type SourceName = typeof SOURCES[number] | "default";

/** Where a value came from. */
export interface Origin {
  /** The source. */
  readonly source: SourceName;
  /** What people know it by: a file's path, `env REDIS_HOST`, `overrides`. */
  readonly label: string;
  /** Line in the file, from 1. */
  readonly line?: number;
  /** Column in the line, from 1. */
  readonly column?: number;
}

/**
 * In which words and units a source writes its settings: code in camelCase and
 * milliseconds, everything else in the names of YAML and in seconds.
 *
 * @param origin The origin of a value.
 * @returns The dialect.
 */
export function dialectOf({ source }: Origin): Dialect {
  return source === "overrides" || source === "registry" || source === "default"
    ? "code"
    : "yaml";
}

/** The origin of what nobody set. */
export const DEFAULT_ORIGIN: Origin = { source: "default", label: "default" };

/**
 * An origin as `explain` shows it.
 *
 * @param origin The origin.
 * @returns Text such as `config/redis-databases.yaml:14` or `env REDIS_HOST`.
 */
export function formatOrigin(origin: Origin): string {
  return origin.line === undefined ? origin.label : `${origin.label}:${origin.line}`;
}

/**
 * An origin as errors show it: with the column.
 *
 * @param origin The origin.
 * @returns Text such as `config/redis-databases.yaml:14:5`.
 */
export function formatPosition(origin: Origin): string {
  const short = formatOrigin(origin);
  return origin.column === undefined ? short : `${short}:${origin.column}`;
}
