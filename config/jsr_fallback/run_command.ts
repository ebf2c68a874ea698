import { COLOURS, type Counts, readCounts } from "./counts.ts";

/** One call of the running Deno, or of another program. */
export interface Call {
  /** The program; the running Deno when absent. */
  program?: string;
  /** Its arguments. */
  args: string[];
  /** The folder to run in. */
  cwd: string;
  /** Variables beside those of this process. */
  env?: Readonly<Record<string, string>>;
}

/** How a call ended. */
export interface Outcome {
  /** The exit code; 0 is success. */
  code: number;
  /** The tests that it ran. */
  counts: Counts;
}

/**
 * What programs find in their environment beside what is there. Packages come through a
 * proxy with a certificate of its own in some networks: the system knows it, Deno by
 * default does not.
 */
function environment(): Record<string, string> {
  return Deno.env.has("DENO_TLS_CA_STORE") ? {} : { DENO_TLS_CA_STORE: "mozilla,system" };
}

/** Colours survive although the output is not a terminal while it is being read. */
function colours(): Record<string, string> {
  return Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {};
}

/**
 * Waits for a program to end. It gets the terminal's interrupt by itself; the request to
 * terminate reaches this process alone, and is handed on.
 */
async function waitFor(child: Deno.ChildProcess): Promise<number> {
  const ignore = () => {};
  const handOn = () => child.kill("SIGTERM");
  Deno.addSignalListener("SIGINT", ignore);
  Deno.addSignalListener("SIGTERM", handOn);
  try {
    return (await child.status).code;
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
    Deno.removeSignalListener("SIGTERM", handOn);
  }
}

/**
 * Runs a program, showing all that it prints.
 *
 * @param call What to run.
 * @returns Its exit code.
 */
export async function run(call: Call): Promise<number> {
  const { program = Deno.execPath(), args, cwd, env = {} } = call;
  return await waitFor(
    new Deno.Command(program, { args, cwd, env: { ...environment(), ...env } }).spawn(),
  );
}

/** Tests print a line at least this often; the longest of the fault matrix takes 4 minutes. */
const MAX_SILENCE_MS = 10 * 60_000;

/** How long output may be read once its program has ended: what it left running holds it open. */
const MAX_REST_MS = 3_000;

/** Tests in the files among some arguments that have a plain name and no line in an output. */
async function withoutLine(args: readonly string[], output: string): Promise<string[]> {
  const missing = [];
  for (const file of args.filter((arg) => arg.endsWith("_test.ts"))) {
    const text = await Deno.readTextFile(file).catch(() => "");
    for (const [, name] of text.matchAll(/^Deno\.test\(\s*"([^"]+)"/gm)) {
      const ended = ["ok", "FAILED", "ignored"].some((how) =>
        output.includes(`${name} ... ${how}`)
      );
      if (!ended) missing.push(`${name} => ./${file}`);
    }
  }
  return missing;
}

/**
 * Shows what a program prints, and keeps it. It ends a program that is silent for too long:
 * tests that hang are then failures with names, in place of a run that never ends.
 */
async function show(
  child: Deno.ChildProcess,
  { args }: Call,
  maxSilenceMs: number,
): Promise<string> {
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let output = "";
  let silent = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      silent = true;
      child.kill("SIGKILL");
    }, maxSilenceMs);
  };
  const cancelRest = child.status.then(() =>
    setTimeout(() => reader.cancel(), MAX_REST_MS)
  );
  watch();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    watch();
    output += decoder.decode(part.value, { stream: true });
    await Deno.stdout.write(part.value);
  }
  clearTimeout(await cancelRest);
  clearTimeout(timer);
  if (!silent) return output;
  const plain = output.replace(COLOURS, "");
  const passed = plain.match(/ \.\.\. ok \(/g)?.length ?? 0;
  const hanging = await withoutLine(args, plain);
  const report = [
    "",
    `No test ended for ${maxSilenceMs / 1000} s, so the run was ended. These had not:`,
    " FAILURES ",
    ...hanging,
    `FAILED | ${passed} passed | ${Math.max(hanging.length, 1)} failed (silent)`,
    "",
  ].join("\n");
  console.log(report);
  return output + report;
}

/** What a run of tests comes to: failing without a failed test, or none, is one failed. */
export function testOutcome(code: number, { passed, failed }: Counts): Outcome {
  const unexplained = code !== 0 && failed === 0;
  const uncounted = unexplained || passed + failed === 0 ? 1 : 0;
  return { code, counts: { passed, failed: failed + uncounted } };
}

/**
 * Runs a program that runs tests, showing all that it prints.
 *
 * @param call What to run.
 * @param maxSilenceMs After so long without a line the program is ended.
 * @returns Its exit code, and the counts that it printed.
 */
export async function runTests(
  call: Call,
  maxSilenceMs = MAX_SILENCE_MS,
): Promise<Outcome> {
  const { program = Deno.execPath(), args, cwd, env = {} } = call;
  const child = new Deno.Command(program, {
    args,
    cwd,
    env: { ...environment(), ...colours(), ...env },
    stdout: "piped",
  }).spawn();
  const [code, output] = await Promise.all([
    waitFor(child),
    show(child, call, maxSilenceMs),
  ]);
  return { code, counts: readCounts(output) };
}

/**
 * Runs a program that runs tests to the end of a step.
 *
 * @param call What to run.
 * @returns Its exit code, and the counts of its tests.
 */
export async function runAndCount(call: Call): Promise<Outcome> {
  const { code, counts } = await runTests(call);
  return testOutcome(code, counts);
}
