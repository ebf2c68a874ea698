/** One rival; runs the loads that its standard input asks for. */
import { quantile, runLoad } from "../kit.ts";
import { answerLines } from "../line_process.ts";
import { type RivalName, RIVALS } from "./rivals.ts";
import { prepare, SCENARIOS } from "./scenarios.ts";

const [rival, url] = Deno.args as [RivalName, string];
const speaker = await RIVALS[rival](url);
await prepare(speaker);
await answerLines(async (line) => {
  const [index, durationMs] = line.split(" ").map(Number) as [number, number];
  const { callers, isTimed, work } = SCENARIOS[index]!;
  const call = (n: number) => work(speaker, n);
  const { perSecond, times } = await runLoad({ callers, durationMs, isTimed, call });
  return JSON.stringify({ perSecond, p99Ms: quantile(times, 0.99) });
});
await speaker.close();
