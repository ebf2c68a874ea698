/**
 * Finds Chromium on this machine, or installs Debian's.
 *
 * @module
 */

import { which } from "../../src/testing/redis_program.ts";

/** Either a browser, or why there is none. */
export type FoundBrowser =
  | { readonly executable: string }
  | { readonly missing: string };

/** Where to look; the tests' way to show {@linkcode findBrowser} another machine. */
export interface FindBrowserOptions {
  /** Folders to look in, as in `PATH`. Default: `PATH` of the environment. */
  path?: string;
  /** Whether this process may install packages. Default: whether it is root's. */
  mayInstall?: boolean;
  /** Longest time for each call of `apt-get`, in milliseconds. Default 180000. */
  timeoutMs?: number;
}

const BROWSERS = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
];

/**
 * The browser to test with: one on `PATH`, or Debian's package, installed now, when this
 * process is root's and there is `apt-get`.
 *
 * @param options Where to look.
 * @returns Its full name, or why there is none, in a line.
 */
export async function findBrowser(
  options: FindBrowserOptions = {},
): Promise<FoundBrowser> {
  const { path = Deno.env.get("PATH") ?? "", timeoutMs = 180_000 } = options;
  const found = await which(BROWSERS, path);
  if (found !== undefined) return { executable: found };
  const aptGet = await which(["apt-get"], path);
  if (aptGet === undefined || !(options.mayInstall ?? Deno.uid() === 0)) {
    return { missing: "no chromium on PATH, and this process cannot install packages" };
  }
  for (
    const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium"]]
  ) {
    const problem = await run(aptGet, args, timeoutMs);
    if (problem !== undefined) {
      return { missing: `no chromium on PATH, and apt-get ${args[0]} ${problem}` };
    }
  }
  const installed = await which(BROWSERS, path);
  return installed === undefined
    ? { missing: "apt-get installed chromium, yet none is on PATH" }
    : { executable: installed };
}

/** Runs a program; what went wrong, if anything did. */
async function run(
  command: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  const { success, code } = await new Deno.Command(command, {
    args: [...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    signal,
  }).output();
  if (success) return undefined;
  return signal.aborted ? `took more than ${timeoutMs} ms` : `ended with code ${code}`;
}
