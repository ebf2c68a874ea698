/** The command line in a process of its own. */
import { configArgs } from "../faults/_child.ts";

const ROOT = new URL("../../../", import.meta.url);

/** What a run of the command line left behind. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Starts the command line. */
export async function startCli(
  args: readonly string[],
  permissions: readonly string[] = ["-A"],
): Promise<Deno.ChildProcess> {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", ...await configArgs(), ...permissions],
      ...["src/cli/main.ts", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs the command line to its end. */
export async function runCli(
  args: readonly string[],
  permissions?: readonly string[],
): Promise<Ran> {
  const child = await startCli(args, permissions);
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}
