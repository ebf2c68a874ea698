import type { Step } from "./tasks.ts";

/** What the arguments of a step depend on, beside the step. */
export interface Setting {
  /** Path of the root configuration. */
  config: string;
  /** The user's arguments. */
  userArgs: readonly string[];
  /** The files that `exports` names. */
  entrypoints: readonly string[];
  /** Whether a path exists. */
  exists: (path: string) => boolean;
}

/** Sanitizers are off by default since Deno 2.8. */
const SANITIZERS = ["--sanitize-ops", "--sanitize-resources"];

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
  const { config, userArgs } = setting;
  const [subcommand = "", ...args] = step.args;
  const call = [
    subcommand,
    "--config",
    config,
    ...(step.tests ? SANITIZERS : []),
    ...args,
    ...pathsOf(step, setting),
    ...userArgs,
  ];
  if (!step.redis) return call;
  return ["run", "--config", config, "-A", "config/jsr_fallback/with_redis.ts", ...call];
}
