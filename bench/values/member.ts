/** One client; runs the loads that its standard input asks for. */
import { Buffer } from "node:buffer";
import process from "node:process";
import { answerLines } from "../line_process.ts";
import { quantile } from "../speed/load.ts";
import type { Figures, ValueLoad } from "./loads.ts";
import { RIVALS, type ValueSpeaker } from "./rivals.ts";

const KEY_PREFIX = "mooring:bench:values:";

async function run(speaker: ValueSpeaker, load: ValueLoad): Promise<Figures> {
  const { bytes, callers, command, durationMs, kind } = load;
  const key = `${KEY_PREFIX}${command}:${bytes}`;
  const text = "x".repeat(bytes);
  const value = kind === "string" ? text : Buffer.from(text);
  await speaker.set(key, value);
  const work = command === "SET"
    ? () => speaker.set(key, value)
    : kind === "string"
    ? () => speaker.get(key)
    : () => speaker.getBuffer(key);
  const timings: number[] = [];
  let isOver = false;
  const call = async () => {
    while (!isOver) {
      const startedAt = performance.now();
      await work();
      timings.push(performance.now() - startedAt);
    }
  };
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  setTimeout(() => isOver = true, durationMs);
  await Promise.all(Array.from({ length: callers }, call));
  const tookMs = performance.now() - startedAt;
  const { system, user } = process.cpuUsage(cpu);
  return {
    perSecond: timings.length / tookMs * 1000,
    p99Ms: quantile(timings, 0.99),
    cpuUs: (system + user) / timings.length,
  };
}

const [rival, url] = Deno.args as [string, string];
const speaker = await RIVALS[rival]!(url);
await answerLines(async (line) => JSON.stringify(await run(speaker, JSON.parse(line))));
await speaker.close();
