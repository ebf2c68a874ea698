/**
 * Runs Deno in a process of its own.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { configArgs } from "../../support/child_config.ts";

/** What a child said. */
export interface ChildResult {
  /** Its standard output. */
  stdout: string;
  /** Its standard error. */
  stderr: string;
}

/** Runs `deno <command> …` to its end; fails if that is not a success. */
export async function runDeno(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<ChildResult> {
  const [verb, ...rest] = command;
  const child = new Deno.Command(Deno.execPath(), {
    args: [verb!, ...configArgs(), ...rest],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
  });
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  const result = { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  assertEquals(code, 0, `deno ${command.join(" ")}\n${result.stderr}`);
  return result;
}

/** A file of this folder, as a path. */
export function local(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
