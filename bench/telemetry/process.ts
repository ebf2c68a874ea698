/** A manager of a package; runs the loads that its standard input asks for. */
import { answerLines } from "../line_process.ts";
import { runLoad } from "../speed/load.ts";

const [module = "", options = "{}"] = Deno.args;
const { RedisConnectionManager } = await import(module);
const manager = new RedisConnectionManager(JSON.parse(options));
const client = await manager.getAsyncClient("main");
const KEY = "mooring:bench:telemetry";
await client.set(KEY, "x".repeat(100), "EX", 3600);
const speaker = {
  get: (key: string) => client.get(key),
  set: (key: string, value: string) => client.set(key, value),
  close: () => manager.closeAll(),
};

await answerLines(async (line) => {
  const [concurrency = 1, durationMs = 0] = line.split(" ").map(Number);
  const { perSecond } = await runLoad(speaker, {
    concurrency,
    durationMs,
    work: ({ get }) => get(KEY),
    isTimed: () => false,
  });
  return String(perSecond);
});
await manager.closeAll();
