/**
 * Asks for the environment before ioredis does, which lists it as it is imported: where
 * that is denied, one sentence says what to grant, in place of a trace through packages.
 *
 * @module
 */

try {
  // No query: with --ignore-env it says "denied" of an empty environment that can be had.
  Deno.env.toObject();
} catch {
  throw new Deno.errors.NotCapable(
    "Cannot load @mooring/redis: ioredis lists the environment as it is imported; " +
      "run with --allow-env",
  );
}
