/**
 * Asks for the environment before ioredis does, which lists it as it is imported: where
 * that is denied, one sentence says what to grant, in place of a trace through packages.
 *
 * @module
 */

/** Not by a query: with `--ignore-env` it says "denied" of an environment that can be had. */
function mayListEnvironment(): boolean {
  try {
    // Other runtimes have no permissions.
    globalThis.Deno?.env.toObject();
    return true;
  } catch {
    return false;
  }
}

if (!mayListEnvironment()) {
  throw new Deno.errors.NotCapable(
    "Cannot load @mooring/redis: ioredis lists the environment as it is imported; " +
      "run with --allow-env",
  );
}
