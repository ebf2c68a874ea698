/** A manager of a package; runs the loads that its standard input asks for. */
import { PREFIX, runLoad } from "../kit.ts";
import { answerLines } from "../line_process.ts";

const [module = "", options = "{}"] = Deno.args;
const { RedisConnectionManager } = await import(module);
const manager = new RedisConnectionManager(JSON.parse(options));
const client = await manager.getAsyncClient("main");
const KEY = `${PREFIX}telemetry`;
await client.set(KEY, "x".repeat(100), "EX", 3600);

await answerLines(async (line) => {
  const [callers = 1, durationMs = 0] = line.split(" ").map(Number);
  const call = () => client.get(KEY);
  const isTimed = () => false;
  const { perSecond } = await runLoad({ callers, durationMs, call, isTimed });
  return String(perSecond);
});
await manager.closeAll();
