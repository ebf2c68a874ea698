/** One rival; runs the loads that its standard input asks for. */
import { answerLines } from "../line_process.ts";
import { runLoad } from "./load.ts";
import { type RivalName, RIVALS } from "./rivals.ts";
import { prepare, SCENARIOS } from "./scenarios.ts";

const [rival, url] = Deno.args as [RivalName, string];
const speaker = await RIVALS[rival](url);
await prepare(speaker);
await answerLines(async (line) => {
  const [index, durationMs] = line.split(" ").map(Number) as [number, number];
  return JSON.stringify(await runLoad(speaker, { ...SCENARIOS[index]!, durationMs }));
});
await speaker.close();
