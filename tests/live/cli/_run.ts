/** The command line in a process of its own. */
import { configArgs } from "../../support/child_config.ts";

const ROOT = new URL("../../../", import.meta.url);

/** What a run of the command line left behind. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** How Deno is called for a run. */
function denoArgs(
  args: readonly string[],
  permissions: readonly string[],
): string[] {
  return [
    ...["run", "--no-prompt", ...configArgs(), ...permissions],
    ...["src/cli/main.ts", ...args],
  ];
}

/** Starts the command line. */
export function startCli(
  args: readonly string[],
  permissions: readonly string[] = ["-A"],
  env: Record<string, string> = { NO_COLOR: "1" },
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: denoArgs(args, permissions),
    cwd: ROOT,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs the command line to its end. */
export async function runCli(
  args: readonly string[],
  permissions?: readonly string[],
  env?: Record<string, string>,
): Promise<Ran> {
  const child = startCli(args, permissions, env);
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** Whether there is a program that gives others a terminal. */
export async function hasScript(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("script", { args: ["--version"] })
      .output();
    return success;
  } catch {
    return false;
  }
}

/** Runs the command line on a terminal; gives all that it showed there. */
export async function onTerminal(
  args: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  const words = [Deno.execPath(), ...denoArgs(args, ["-A"])];
  const line = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const kept = ["PATH", "HOME", "DENO_DIR", "JSR_URL", "MOORING_DENO_CONFIG"].flatMap(
    (name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    },
  );
  const { stdout } = await new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    cwd: ROOT,
    clearEnv: true,
    env: { ...Object.fromEntries(kept), TERM: "xterm", SHELL: "/bin/sh", ...env },
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout);
}
