/**
 * How tests start Deno: as they run themselves.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

function isFile(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch {
    return false;
  }
}

/**
 * Arguments for `deno run` and the like: the configuration of the task that runs (without a
 * task: the one that a task used last), and nothing on standard error that the program did
 * not write, such as what Deno downloads first.
 */
export function configArgs(): string[] {
  const local = new URL("deno.local.json", ROOT);
  const config = Deno.env.get("MOORING_DENO_CONFIG") ??
    (isFile(local) ? local : new URL("deno.json", ROOT)).pathname;
  return ["--quiet", "--no-lock", "--config", config];
}
