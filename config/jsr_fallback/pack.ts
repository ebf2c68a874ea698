/**
 * Rehearses publishing, and prints what would be published.
 *
 * Deno always publishes the configuration that it is called with. A generated one must not
 * appear in the list, so that the rehearsal takes place in a copy, where it is `deno.json`.
 *
 * @module
 */

import { copyProject } from "./copy_project.ts";
import { relativePath } from "./packages.ts";
import { ROOT } from "./paths.ts";
import { currentRegistry } from "./registry.ts";
import { prepareRootConfig } from "./root_config.ts";
import { run } from "./run_command.ts";

/** Writes the configuration as `deno.json`, its links leading where they led before. */
async function copyConfig(from: string, to: string): Promise<void> {
  const { links, lock: _, ...config } = JSON.parse(await Deno.readTextFile(from));
  const moved = links?.map((link: string) =>
    relativePath(to, new URL(link, `file://${ROOT}/`).pathname)
  );
  await Deno.writeTextFile(
    `${to}/deno.json`,
    JSON.stringify({ ...config, ...(moved && { links: moved }) }, null, 2),
  );
}

if (import.meta.main) {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pack-" }));
  try {
    await copyProject(folder);
    await copyConfig(await prepareRootConfig(await currentRegistry()), folder);
    const args = ["publish", "--dry-run", "--allow-dirty"];
    Deno.exitCode = await run({ args, cwd: folder });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
