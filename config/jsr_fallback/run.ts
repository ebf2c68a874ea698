/**
 * Runs a task of the project: `run.ts <task> [arguments]`.
 *
 * It imports nothing that is not in this repository, so that it works where JSR cannot be
 * reached; what a task runs then finds the stand-ins of this folder instead of `@std/*`.
 *
 * @module
 */

import { commandLine } from "./command_line.ts";
import { type Counts, formatCounts } from "./counts.ts";
import { ROOT } from "./paths.ts";
import { ensureRedisServer } from "../../tests/support/redis_binary.ts";
import { currentRegistry, type Registry } from "./registry.ts";
import { prepareRootConfig } from "./root_config.ts";
import { type Outcome, run, runAndCount } from "./run_command.ts";
import { runSuite } from "./suite.ts";
import { type Step, type Task, TASKS } from "./tasks.ts";

function exists(path: string): boolean {
  try {
    Deno.statSync(path.startsWith("/") ? path : `${ROOT}/${path}`);
    return true;
  } catch {
    return false;
  }
}

/** Says on stderr what stands in for `@std/*`: stdout belongs to the task. */
function announce(registry: Registry): void {
  switch (registry.kind) {
    case "jsr":
      return;
    case "stand-ins":
      console.error(
        "Without JSR: config/jsr_fallback stands in for @std/* (see its README.md)",
      );
      return;
    case "checkout":
      console.error(`@std/* comes from ${registry.folder}`);
  }
}

async function readEntrypoints(): Promise<string[]> {
  const { exports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  return Object.values(exports);
}

const NO_TESTS: Counts = { passed: 0, failed: 0 };

/** A suite that cannot run counts as one failed test. */
const NO_SERVER: Outcome = { code: 1, counts: { passed: 0, failed: 1 } };

/** Whether there is a Redis server, or one could be installed; says why not. */
async function isServerThere(): Promise<boolean> {
  try {
    await ensureRedisServer();
    return true;
  } catch (error) {
    console.error(`${(error as Error).message}.\nNo test was run.`);
    return false;
  }
}

/** Whether the tests that the user named, or all of them, may start a server. */
function mayNeedServer(userArgs: readonly string[]): boolean {
  const paths = userArgs.filter(exists);
  return paths.length === 0 ||
    paths.some((path) => !/^(\.\/)?(tests\/unit|config)\b/.test(path));
}

async function runStep(step: Step, config: string, userArgs: string[]): Promise<Outcome> {
  if (step.version !== undefined) {
    return await runAndCount({
      program: "npx",
      args: ["-y", `deno@${step.version}`, "task", "test:smoke"],
      cwd: ROOT,
    });
  }
  if (step.server && mayNeedServer(userArgs) && !await isServerThere()) return NO_SERVER;
  const entrypoints = await readEntrypoints();
  const setting = { config, userArgs, entrypoints, exists };
  if (step.suite) return await runSuite(step, setting);
  const args = commandLine(step, setting);
  const call = { args, cwd: ROOT, env: step.env };
  if (step.tests) return await runAndCount(call);
  return { code: await run(call), counts: NO_TESTS };
}

/** Prints how each step ended; the last line counts tests, and each failed check as one. */
function summarize(results: { step: Step; outcome: Outcome; seconds: number }[]): void {
  const total = { ...NO_TESTS };
  for (const { step, outcome: { code, counts }, seconds } of results) {
    total.passed += counts.passed;
    total.failed += step.tests || code === 0 ? counts.failed : 1;
    if (results.length > 1) {
      const verdict = code === 0 ? "ok    " : "FAILED";
      console.log(`${verdict} ${step.name} (${seconds.toFixed(1)} s)`);
    }
  }
  if (results.some(({ step }) => step.tests)) console.log(formatCounts(total));
}

async function runTask(task: Task, userArgs: string[]): Promise<number> {
  const registry = await currentRegistry();
  announce(registry);
  const config = await prepareRootConfig(registry);
  // Tests that start Deno start it with the same configuration.
  Deno.env.set("MOORING_DENO_CONFIG", config);
  const steps = task.steps.filter(({ version }) => version !== Deno.version.deno);
  const results = [];
  for (const step of steps) {
    if (steps.length > 1) console.log(`\n── ${step.name}`);
    const started = performance.now();
    const outcome = await runStep(step, config, steps.length > 1 ? [] : userArgs);
    results.push({ step, outcome, seconds: (performance.now() - started) / 1000 });
  }
  if (steps.length > 1) console.log("");
  summarize(results);
  const failed = results.filter(({ outcome }) =>
    outcome.code !== 0 || outcome.counts.failed > 0
  );
  if (steps.length > 1) return failed.length > 0 ? 1 : 0;
  return failed[0] ? failed[0].outcome.code || 1 : 0;
}

function usage(): string {
  const width = Math.max(...Object.keys(TASKS).map((name) => name.length));
  const lines = Object.entries(TASKS)
    .map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`);
  return ["Usage: deno task <task> [arguments]", "", ...lines].join("\n");
}

if (import.meta.main) {
  const [name = "", ...userArgs] = Deno.args;
  const task = Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
  if (!task) {
    console.error(usage());
    Deno.exit(2);
  }
  try {
    Deno.exit(await runTask(task, userArgs));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
