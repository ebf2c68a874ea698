/**
 * Writes the npm part of `deno.lock`, and the stand-ins' lock, with checksums.
 *
 * What JSR resolves can only be locked where JSR is reached: there, any task adds it.
 *
 * @module
 */

import { type Lock, mergeLocks } from "./lock.ts";
import { LAUNCHER_FOLDER, ROOT } from "./paths.ts";
import { run } from "./run_command.ts";

async function install(folder: string): Promise<void> {
  const code = await run({ args: ["install", "--lockfile-only"], cwd: folder });
  if (code !== 0) {
    throw new Error(`Cannot lock ${folder}: deno install ended with ${code}`);
  }
}

async function readLock(path: string): Promise<Lock> {
  return JSON.parse(await Deno.readTextFile(path));
}

/** What a lock calls a dependency: a range is reduced to what it means. */
function lockName(specifier: string): string {
  return specifier.replace(/@\^(\d+)(?:\.0)*$/, "@$1");
}

/** Locks the npm dependencies alone, in a folder where there is nothing else. */
async function lockNpm(imports: Record<string, string>, current: Lock): Promise<Lock> {
  const folder = await Deno.makeTempDir({ prefix: "lock-" });
  try {
    const npm = Object.entries(imports).filter(([, target]) => target.startsWith("npm:"));
    const config = { imports: Object.fromEntries(npm) };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config));
    // Versions that are locked stay where they are, as long as they are in range.
    await Deno.writeTextFile(
      `${folder}/deno.lock`,
      JSON.stringify(mergeLocks([current])),
    );
    await install(folder);
    return await readLock(`${folder}/deno.lock`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The lock with the npm part of another one, and what JSR has resolved as it was. */
function withNpm(lock: Lock, other: Lock, dependencies: string[]) {
  const ofJsr = Object.entries(lock.specifiers ?? {})
    .filter(([specifier]) => specifier.startsWith("jsr:"));
  return {
    version: other.version,
    specifiers: { ...Object.fromEntries(ofJsr), ...other.specifiers },
    ...(lock.jsr && { jsr: lock.jsr }),
    npm: other.npm,
    workspace: { dependencies },
  };
}

if (import.meta.main) {
  const path = `${ROOT}/deno.lock`;
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const current = await readLock(path);
  const npm = await lockNpm(imports, current);
  const dependencies = Object.values<string>(imports).map(lockName).sort();
  const lock = withNpm(current, npm, dependencies);
  await Deno.writeTextFile(path, `${JSON.stringify(lock, null, 2)}\n`);
  await install(`${LAUNCHER_FOLDER}/std_yaml`);
}
