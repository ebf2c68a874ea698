import { type Lock, mergeLocks } from "./lock.ts";
import { findPackages, relativePath } from "./packages.ts";
import { LAUNCHER_FOLDER, ROOT } from "./paths.ts";
import type { Registry } from "./registry.ts";

/** The stand-ins' folders. */
export const STAND_INS: readonly string[] = ["std_async", "std_yaml", "std_assert"]
  .map((name) => `${LAUNCHER_FOLDER}/${name}`);

/** The locks that a generated configuration starts from. */
const SEEDS = [`${ROOT}/deno.lock`, `${LAUNCHER_FOLDER}/std_yaml/deno.lock`];

type Json = Record<string, unknown>;

/**
 * The project's configuration with links in it, and a lock of its own: links would
 * otherwise be written into the lock that is committed.
 *
 * @param config What `deno.json` says.
 * @param links The folders to link, relative to the project.
 * @param lock The path of the lock, relative to the project.
 * @returns The configuration to write.
 */
export function addLinks(config: Json, links: string[], lock: string): Json {
  return { ...config, links, lock: { path: lock } };
}

/** Writes a file at once, so that a task that runs beside this one never reads half. */
async function replaceFile(path: string, text: string): Promise<void> {
  const scratch = `${path}.${Deno.pid}.tmp`;
  await Deno.writeTextFile(scratch, text);
  await Deno.rename(scratch, path);
}

async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function modified(path: string): Promise<number> {
  const info = await Deno.stat(path).catch(() => undefined);
  return info?.mtime?.getTime() ?? 0;
}

/** Starts the generated lock anew when a committed one is newer: integrity comes from it. */
async function seedLock(path: string): Promise<void> {
  const newest = Math.max(...await Promise.all(SEEDS.map(modified)));
  if (await modified(path) > newest) return;
  const texts = await Promise.all(SEEDS.map(readIfExists));
  const seeds: Lock[] = texts.flatMap((text) =>
    text === undefined ? [] : [JSON.parse(text)]
  );
  if (seeds.length > 0) {
    await replaceFile(path, JSON.stringify(mergeLocks(seeds), null, 2) + "\n");
  }
}

async function generate(name: string, links: string[]): Promise<string> {
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const path = `${ROOT}/${name}.json`;
  const relative = links.map((link) => relativePath(ROOT, link));
  const text = JSON.stringify(addLinks(config, relative, `./${name}.lock`), null, 2);
  if (await readIfExists(path) !== text) await replaceFile(path, text);
  await seedLock(`${ROOT}/${name}.lock`);
  return path;
}

/**
 * Makes the root configuration that fits a registry.
 *
 * @param registry Where `@std/*` comes from.
 * @returns Absolute path of the configuration: `deno.json` itself where JSR is reached,
 * else a generated file beside it.
 */
export async function prepareRootConfig(registry: Registry): Promise<string> {
  switch (registry.kind) {
    case "jsr":
      return `${ROOT}/deno.json`;
    case "stand-ins":
      return await generate("deno.local", [...STAND_INS]);
    case "checkout": {
      const packages = await findPackages(registry.folder);
      return await generate("deno.checkout", packages.map(({ folder }) => folder));
    }
  }
}
