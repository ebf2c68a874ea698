/** A package in a folder: what its `deno.json` says, and where it is. */
export interface Package {
  /** Such as `@std/async`. */
  name: string;
  /** Such as `1.5.0`. */
  version: string;
  /** Files by subpath, such as `./retry` and `./retry.ts`. */
  exports: Record<string, string>;
  /** Absolute path of its folder, without a slash at the end. */
  folder: string;
}

/**
 * Reads the package in a folder.
 *
 * @param folder Absolute path of the folder.
 * @returns The package.
 * @throws {Deno.errors.NotFound} If there is no `deno.json`.
 */
export async function readPackage(folder: string): Promise<Package> {
  const { name, version, exports } = JSON.parse(
    await Deno.readTextFile(`${folder}/deno.json`),
  );
  return { name, version, exports, folder };
}

/**
 * Finds the packages in a checkout of denoland/std: each is a folder at its top.
 *
 * @param checkout Absolute path of the checkout.
 * @returns The packages, by name.
 * @throws {Error} If there is none.
 */
export async function findPackages(checkout: string): Promise<Package[]> {
  const found: Package[] = [];
  for await (const { name, isDirectory } of Deno.readDir(checkout)) {
    if (!isDirectory) continue;
    try {
      found.push(await readPackage(`${checkout}/${name}`));
    } catch (error) {
      // Folders of tools hold no package.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  if (found.length === 0) {
    throw new Error(`No package of std is found in "${checkout}"`);
  }
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}

/**
 * The path from one folder to another, for a configuration that can be copied.
 *
 * @param from Absolute path to start from.
 * @param to Absolute path to arrive at.
 * @returns The relative path, which begins with `./` or `../`.
 */
export function relativePath(from: string, to: string): string {
  const start = from.split("/").filter(Boolean);
  const end = to.split("/").filter(Boolean);
  let common = 0;
  while (common < start.length && start[common] === end[common]) common++;
  const up = start.slice(common).map(() => "..");
  return [...(up.length > 0 ? up : ["."]), ...end.slice(common)].join("/");
}
