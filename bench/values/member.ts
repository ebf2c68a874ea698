/** One client; runs the loads that its standard input asks for. */
import { Buffer } from "node:buffer";
import process from "node:process";
import { PREFIX, quantile, runLoad } from "../kit.ts";
import { answerLines } from "../line_process.ts";
import { type RivalName, RIVALS, type Speaker } from "../speed/rivals.ts";
import type { Figures, ValueLoad } from "./loads.ts";

async function run(speaker: Speaker, load: ValueLoad): Promise<Figures> {
  const { bytes, callers, command, durationMs, kind } = load;
  const key = `${PREFIX}values:${command}:${bytes}`;
  const text = "x".repeat(bytes);
  const value = kind === "string" ? text : Buffer.from(text);
  await speaker.set(key, value);
  const call = command === "SET"
    ? () => speaker.set(key, value)
    : kind === "string"
    ? () => speaker.get(key)
    : () => speaker.getBuffer!(key);
  const cpu = process.cpuUsage();
  const { perSecond, times } = await runLoad({ callers, durationMs, call });
  const { system, user } = process.cpuUsage(cpu);
  return {
    perSecond,
    p99Ms: quantile(times, 0.99),
    cpuUs: (system + user) / times.length,
  };
}

const [rival, url] = Deno.args as [RivalName, string];
const speaker: Speaker = await RIVALS[rival](url);
await answerLines(async (line) => JSON.stringify(await run(speaker, JSON.parse(line))));
await speaker.close();
