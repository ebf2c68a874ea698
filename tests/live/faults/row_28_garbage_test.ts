import { assertEquals } from "@std/assert";
import { runChild } from "./_child.ts";
import { answerWithGarbage, type GarbageFindings } from "./_garbage.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

/** Deno 2.5 slows down with each socket that was destroyed: 2,000 take it minutes, so that
 * many cases are spread over processes. */
const IS_SLOW = Deno.version.deno.startsWith("2.5.");
const A_PROCESS = IS_SLOW ? 250 : Infinity;
const FEWER = IS_SLOW ? A_PROCESS : 2000;
const CASES = Number(Deno.env.get("MOORING_FAULT_CASES") ?? (IS_FULL ? 10_000 : FEWER));
const SEED = Number(Deno.env.get("MOORING_FAULT_SEED") ?? 20_261);
/** Processes at the same time. */
const PROCESSES = 2;

/** All cases, in this process or in several. */
async function answerAll(): Promise<GarbageFindings> {
  if (CASES <= A_PROCESS) return await answerWithGarbage(CASES, SEED);
  let left = CASES;
  let [refused, grownMiB] = [0, 0];
  const work = async () => {
    while (left > 0) {
      const cases = Math.min(left, A_PROCESS);
      left -= cases;
      const args = [String(cases), String(SEED + left)];
      const { code, out, text } = await runChild("_row_28_child.ts", args);
      assertEquals(code, 0, `cases ${cases}, seed ${SEED + left}:\n${text}`);
      const found: GarbageFindings = JSON.parse(out);
      refused += found.refused;
      grownMiB = Math.max(grownMiB, found.grownMiB);
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, work));
  return { refused, grownMiB };
}

Deno.test(`row 28: ${CASES} times garbage for a reply, seed ${SEED}`, async () => {
  const { refused, grownMiB } = await answerAll();
  await report({
    row: 28,
    fault: "garbage from the server",
    outcome: `${CASES} cases, ${refused} ProtocolErrors, ` +
      `${Math.max(0, Math.round(grownMiB))} MiB more`,
  });
});
