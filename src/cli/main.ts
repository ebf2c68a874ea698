/**
 * The command line: looks at a configuration and its servers (`doctor`), shows numbers in
 * the terminal (`stats`), checks, explains and begins configurations (`config`).
 *
 * ```sh
 * deno run -A jsr:@mooring/redis/cli doctor --config config/redis-databases.yaml
 * deno run -A jsr:@mooring/redis/cli stats --url http://localhost:8000/metrics --watch
 * deno run -A jsr:@mooring/redis/cli config check
 * deno install -gA -n mooring jsr:@mooring/redis/cli
 * ```
 *
 * Exit codes: 0 everything is as it should be; 1 it works, and something deserves a look;
 * 2 something does not work; 64 wrong usage.
 *
 * @module
 */
import type { CliIo } from "./io.ts";
import { terminalIo } from "./terminal.ts";

export type { CliIo } from "./io.ts";

/**
 * Runs the command line, as the program itself does.
 *
 * @param args The arguments, such as `["config", "check"]`.
 * @param io What it reads and writes. Default: those of this process.
 * @returns The exit code; it never throws.
 *
 * @example Usage
 * ```ts
 * import { main } from "@mooring/redis/cli";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * let output = "";
 * const code = await main(["config", "schema"], {
 *   out: (text) => output += text,
 *   err: () => {},
 *   isTerminal: false,
 *   isErrTerminal: false,
 *   useColor: false,
 *   columns: 80,
 *   env: () => undefined,
 * });
 * assertEquals(code, 0);
 * assertStringIncludes(output, "max_connections");
 * ```
 */
export async function main(
  args: readonly string[],
  io: CliIo = terminalIo(),
): Promise<number> {
  const { run } = await import("./run.ts");
  return await run(args, io);
}

// Not `Deno.exit` at once: what was opened is closed, and what was written is written.
if (import.meta.main) Deno.exitCode = await main(Deno.args);
