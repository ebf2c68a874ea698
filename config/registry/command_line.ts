import type { Step } from "./tasks.ts";

/** What the arguments of a step depend on, beside the step. */
export interface Setting {
  /** Path of the root configuration. */
  config: string;
  /** The version of Deno, such as `2.9.6`. */
  version: string;
  /** The user's arguments. */
  userArgs: readonly string[];
  /** The files that `exports` names. */
  entrypoints: readonly string[];
  /** Whether a path exists. */
  exists: (path: string) => boolean;
}

/** Sanitizers are off by default since Deno 2.8, and on before, where no flag is known. */
function sanitizers(version: string): string[] {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const hasFlags = major > 2 || (major === 2 && minor >= 8);
  return hasFlags ? ["--sanitize-ops", "--sanitize-resources"] : [];
}

function pathsOf(step: Step, { entrypoints, userArgs, exists }: Setting): string[] {
  if (step.tests && userArgs.some((arg) => exists(arg))) return [];
  const paths = step.paths === "exports" ? entrypoints : step.paths ?? [];
  return paths.filter((path) => exists(path));
}

/**
 * The arguments with which a step calls Deno.
 *
 * @param step The step.
 * @param setting What else they depend on.
 * @returns The arguments.
 */
export function commandLine(step: Step, setting: Setting): string[] {
  const { config, version, userArgs } = setting;
  const [subcommand = "", ...args] = step.args;
  const call = [
    subcommand,
    "--config",
    config,
    ...(step.tests ? sanitizers(version) : []),
    ...args,
    ...pathsOf(step, setting),
    ...userArgs,
  ];
  if (!step.redis) return call;
  return ["run", "--config", config, "-A", "config/registry/with_redis.ts", ...call];
}
