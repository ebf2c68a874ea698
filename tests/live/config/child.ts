/**
 * Loads a configuration in a process of its own, as its argument says, and prints what
 * came of it as JSON. The tests run it with permissions taken away.
 *
 * @module
 */

import { type LoadOptions, RedisConfigLoader } from "../../../src/config/mod.ts";
import { ConfigError } from "../../../src/core/errors/config.ts";

const { show, ...options }: LoadOptions & { show?: string } = JSON.parse(
  Deno.args[0] ?? "{}",
);
try {
  const config = await RedisConfigLoader.load(options);
  const shown = config.databases[show ?? "main"];
  console.log(JSON.stringify({
    names: Object.keys(config.databases),
    shown,
    warnings: config.warnings,
  }));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.log(JSON.stringify({ problems: error.problems }));
}
