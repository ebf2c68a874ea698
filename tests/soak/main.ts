/**
 * `deno task soak [--minutes N] [--seed S] [--load P] [--only F,F…]`: row 40 of the fault
 * matrix. Ends with 1 if anything was lost, doubled, late, left over, served too late after
 * a fault, or the heap grew. The last line says so: "No violation", or how many there are.
 */
import { readOptions, type SoakOptions, USAGE, written } from "./options.ts";
import { Soak } from "./soak.ts";
import { summary, violations } from "./verdict.ts";

/** How long the process may take to end by itself, in milliseconds. */
const END_MS = 30_000;

async function main(options: SoakOptions): Promise<void> {
  console.log(`Soak ${written(options)}, Deno ${Deno.version.deno}`);
  const findings = await new Soak(options, console.log).run();
  endByItself(violations(findings).length === 0, summary(findings));
}

/** What keeps the process alive when all is over is something left over: so the verdict is
 * said when nothing does. */
function endByItself(isClean: boolean, text: string): void {
  Deno.exitCode = isClean ? 0 : 1;
  const saySummary = () => console.log(`\n${text}`);
  addEventListener("unload", saySummary);
  const timer = setTimeout(() => {
    removeEventListener("unload", saySummary);
    saySummary();
    fail(`A violation: the process did not end by itself within ${END_MS} ms`);
  }, END_MS);
  if (typeof timer === "number") Deno.unrefTimer(timer);
  else (timer as { unref(): void }).unref();
}

function fail(why: unknown): never {
  console.error(why);
  Deno.exit(1);
}

/** What the command line says; ends the process if it cannot be read. */
function readArguments(): SoakOptions {
  try {
    return readOptions(Deno.args);
  } catch (error) {
    fail((error as Error).message);
  }
}

if (Deno.args.includes("--help")) console.log(USAGE);
else {
  await main(readArguments()).catch((error) => {
    console.error(error);
    fail("The soak failed");
  });
}
