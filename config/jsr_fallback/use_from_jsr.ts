/**
 * Uses the project as people do where JSR answers, on a machine that has nothing yet:
 * `use_from_jsr.ts <checkout of denoland/std> [arguments of the task test]`.
 *
 * A registry on loopback serves std, and the project as it would be published. With an
 * empty cache, the README's commands run in a copy of the project, and the package is used
 * from an empty folder.
 *
 * @module
 */

import { RedisServer } from "../../src/testing/redis_server.ts";
import { copyProject } from "./copy_project.ts";
import { type Counts, formatCounts } from "./counts.ts";
import { startLocalJsr } from "./local_jsr.ts";
import { ROOT } from "./paths.ts";
import { run, runAndCount } from "./run_command.ts";

const PROGRAM = `import { RedisConnectionManager } from "@mooring/redis";
await using manager = new RedisConnectionManager({ url: Deno.args[0] });
console.log(await manager.getClient("main").ping());
`;

/** Variables that would lead to what this machine has already. */
const OF_THIS_MACHINE = ["MOORING_REGISTRY", "MOORING_DENO_CONFIG", "REDIS_URL"];

async function useAll(checkout: string, testArgs: string[], at: string): Promise<Counts> {
  await using registry = await startLocalJsr(checkout, ROOT);
  // It persists, so that doctor has nothing to warn of.
  await using server = await RedisServer.start({ persistence: "aof" });
  for (const name of OF_THIS_MACHINE) Deno.env.delete(name);
  const env = { JSR_URL: registry.url, DENO_DIR: `${at}/cache` };
  const [project, empty] = [`${at}/project`, `${at}/empty`];
  await Deno.mkdir(project);
  await copyProject(project);
  await Deno.mkdir(empty);
  await Deno.writeTextFile(`${empty}/main.ts`, PROGRAM);

  const total: Counts = { passed: 0, failed: 0 };
  const use = async (cwd: string, ...args: string[]) => {
    console.log(`\n$ deno ${args.join(" ")}`);
    const code = await run({ args, cwd, env });
    if (code === 0) total.passed++;
    else total.failed++;
  };
  await use(project, "task", "demo");
  console.log("\n$ deno task test");
  const tests = { args: ["task", "test", ...testArgs], cwd: project, env };
  const { counts } = await runAndCount(tests);
  total.passed += counts.passed;
  total.failed += counts.failed;
  await use(empty, "add", "jsr:@mooring/redis");
  await use(empty, "run", "-A", "--check", "main.ts", server.url);
  const cli = "jsr:@mooring/redis/cli";
  await use(empty, "run", "-A", cli, "doctor", "--url", server.url);
  return total;
}

if (import.meta.main) {
  const [checkout, ...testArgs] = Deno.args;
  if (checkout === undefined) {
    console.error("Usage: deno task jsr <checkout of denoland/std> [arguments of test]");
    Deno.exit(2);
  }
  const at = await Deno.realPath(await Deno.makeTempDir({ prefix: "mooring-jsr-" }));
  try {
    const total = await useAll(await Deno.realPath(checkout), testArgs, at);
    console.log(`\n${formatCounts(total)}`);
    Deno.exitCode = total.failed > 0 ? 1 : 0;
  } finally {
    await Deno.remove(at, { recursive: true });
  }
}
