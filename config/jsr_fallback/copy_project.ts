import { ROOT } from "./paths.ts";

async function copy(from: string, to: string): Promise<void> {
  const { isDirectory } = await Deno.stat(from);
  if (!isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await copy(`${from}/${name}`, `${to}/${name}`);
  }
}

/**
 * Copies the project but for what is generated, and for names that begin with a dot.
 *
 * @param to The folder to copy to, which exists.
 */
export async function copyProject(to: string): Promise<void> {
  for await (const { name } of Deno.readDir(ROOT)) {
    if (/^\.|^node_modules$|^deno\.(?!lock$|json$)/.test(name)) continue;
    await copy(`${ROOT}/${name}`, `${to}/${name}`);
  }
}
