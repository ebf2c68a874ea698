/**
 * `deno task soak [--minutes N] [--seed S]`: row 40 of the fault matrix. Ends with 1 if
 * anything was lost, doubled, late, left over, or the heap grew.
 */
import { readOptions, type SoakOptions, USAGE } from "./options.ts";
import { Soak } from "./soak.ts";
import { summary, violations } from "./verdict.ts";

/** How long the process may take to end by itself, in milliseconds. */
const END_MS = 10_000;

async function main(options: SoakOptions): Promise<number> {
  const { minutes, seed } = options;
  console.log(`Soak of ${minutes} minutes, seed ${seed}, Deno ${Deno.version.deno}`);
  const findings = await new Soak(options, console.log).run();
  console.log(`\n${summary(findings)}`);
  return violations(findings).length > 0 ? 1 : 0;
}

/** What keeps the process alive when all is over is something left over. */
function endByItself(): void {
  const timer = setTimeout(() => {
    console.error(`The process did not end by itself within ${END_MS} ms`);
    Deno.exit(1);
  }, END_MS);
  if (typeof timer === "number") Deno.unrefTimer(timer);
  else (timer as { unref(): void }).unref();
}

if (Deno.args.includes("--help")) console.log(USAGE);
else {
  try {
    Deno.exitCode = await main(readOptions(Deno.args));
    endByItself();
  } catch (error) {
    console.error(error instanceof TypeError ? error.message : error);
    Deno.exit(1);
  }
}
