import { answerWithGarbage } from "./_garbage.ts";
import { report } from "./_report.ts";
import { IS_FULL } from "./_stage.ts";

const CASES = Number(Deno.env.get("MOORING_FAULT_CASES") ?? (IS_FULL ? 10_000 : 2000));
const SEED = Number(Deno.env.get("MOORING_FAULT_SEED") ?? 20_261);

Deno.test(`${CASES} times garbage for a reply, seed ${SEED}`, async () => {
  const { refused, grownMiB } = await answerWithGarbage(CASES, SEED);
  await report({
    row: 28,
    fault: "garbage from the server",
    outcome: `${CASES} cases, ${refused} ProtocolErrors, ` +
      `${Math.max(0, Math.round(grownMiB))} MiB more`,
  });
});
