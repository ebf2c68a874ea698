import { commandLine, type Setting } from "./command_line.ts";
import { ROOT } from "./paths.ts";
import { type Outcome, run, runTests, testOutcome } from "./run_command.ts";
import type { Step } from "./tasks.ts";
import { findTestFiles, readTestTimes, type TestTimes } from "./test_files.ts";

/** How long the tests of each file took when they last ran on this machine. */
const TIMES_FILE = `${ROOT}/.cache/test_times.json`;

/** Exit codes of what somebody ended. */
const INTERRUPTED = [130, 143];

/** The flag by which `deno test` leaves types unchecked. */
const NO_CHECK = "--no-check";

/** Files that run at once for each core: most of them wait for servers and timers. */
const FILES_PER_CORE = 3;

async function readTimes(): Promise<TestTimes> {
  try {
    return JSON.parse(await Deno.readTextFile(TIMES_FILE));
  } catch {
    return {}; // There is none yet, or somebody broke it: the order is not as good.
  }
}

async function keepTimes(report: string): Promise<void> {
  const ofProject = Object.entries(readTestTimes(report))
    .filter(([file]) => !/^[./]/.test(file));
  const times = { ...await readTimes(), ...Object.fromEntries(ofProject) };
  await Deno.mkdir(`${ROOT}/.cache`, { recursive: true });
  await Deno.writeTextFile(TIMES_FILE, `${JSON.stringify(times, null, 1)}\n`);
}

/**
 * Runs a suite of tests: types are checked once, then most files run beside each other,
 * and those that ask for it (`// Runs alone: reason`) one after the other.
 *
 * @param step The step; its arguments are those of `deno test`.
 * @param setting What the command lines depend on.
 * @returns How it ended.
 */
export async function runSuite(step: Step, setting: Setting): Promise<Outcome> {
  const { config, exists } = setting;
  const named = setting.userArgs.filter((arg) => exists(arg));
  const userArgs = setting.userArgs.filter((arg) => !exists(arg) && arg !== NO_CHECK);
  const paths = named.length > 0 ? named : step.paths as readonly string[];
  const { together, alone } = await findTestFiles(ROOT, paths, await readTimes());
  if (!setting.userArgs.includes(NO_CHECK)) {
    const args = ["check", "--config", config, ...together, ...alone];
    const code = await run({ args, cwd: ROOT });
    if (code !== 0) return testOutcome(code, { passed: 0, failed: 0 });
  }

  const folder = await Deno.makeTempDir({ prefix: "mooring-tests-" });
  const report = `${folder}/report.xml`;
  const jobs = String(FILES_PER_CORE * navigator.hardwareConcurrency);
  const env = {
    DENO_JOBS: Deno.env.get("DENO_JOBS") ?? jobs,
    MOORING_FINDINGS: `${folder}/findings.jsonl`,
    ...step.env,
  };
  const [subcommand = "", ...args] = step.args;
  const flags = [NO_CHECK, `--junit-path=${report}`];
  const total: Outcome = { code: 0, counts: { passed: 0, failed: 0 } };
  try {
    for (const files of [together, alone]) {
      if (files.length === 0 || INTERRUPTED.includes(total.code)) continue;
      const mode = files === together && files.length > 1 ? ["--parallel"] : [];
      const part = {
        ...step,
        args: [subcommand, ...flags, ...mode, ...args],
        paths: files,
      };
      const line = commandLine(part, { ...setting, userArgs });
      const { code, counts } = await runTests({ args: line, cwd: ROOT, env });
      total.code = Math.max(total.code, code);
      total.counts.passed += counts.passed;
      // A part that fails in another way than by a test counts as one that did.
      total.counts.failed += code !== 0 && counts.failed === 0 ? 1 : counts.failed;
      await keepTimes(await Deno.readTextFile(report).catch(() => ""));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return testOutcome(total.code, total.counts);
}
