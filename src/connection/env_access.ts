/**
 * Lets ioredis be imported without the permission to list the environment. Its `debug` lists
 * it, for variables such as `DEBUG_COLORS`, and would need `--allow-env` for all of it. Where
 * less is granted, `process.env` is a copy of what may be read of those, until
 * {@linkcode restoreEnvironment}.
 *
 * @module
 */
import process from "node:process";

/** What `debug` reads, as its documentation lists it. */
const NAMES = [
  "DEBUG",
  "DEBUG_COLORS",
  "DEBUG_DEPTH",
  "DEBUG_HIDE_DATE",
  "DEBUG_SHOW_HIDDEN",
] as const;

/** Whether all of the environment, or one variable, may be read. Asking this does not prompt
 * the user. */
function mayRead(variable?: string): boolean {
  const status = globalThis.Deno?.permissions?.querySync({ name: "env", variable });
  // Other runtimes have no permissions.
  return status === undefined || (status.state === "granted" && !status.partial);
}

function copyEnvironment(): typeof process.env {
  return Object.fromEntries(
    NAMES.filter(mayRead).map((name) => [name, Deno.env.get(name)] as const)
      .filter(([, value]) => value !== undefined),
  );
}

const { env } = process;
if (!mayRead()) process.env = copyEnvironment();

/** Puts the environment back: to be called when ioredis has been imported. */
export function restoreEnvironment(): void {
  process.env = env;
}
