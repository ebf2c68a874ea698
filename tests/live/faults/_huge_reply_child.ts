/** Reads huge replies, and says what they cost; alone, so that its memory is its own. */
import { RedisConnectionManager } from "../../../mod.ts";

/** The most memory that the process ever had, in bytes. */
function peak(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(/VmHWM:\s+(\d+)/.exec(status)![1]) * 1024;
}

/** Commands that are answered, one after the other, before `over` settles. */
async function longestWait(over: Promise<unknown>, ask: () => Promise<unknown>) {
  let isOver = false;
  over.finally(() => isOver = true);
  let served = 0;
  let longestMs = 0;
  while (!isOver) {
    const startedAt = performance.now();
    await ask();
    if (!isOver) served++;
    longestMs = Math.max(longestMs, performance.now() - startedAt);
  }
  return { served, longestMs };
}

await using manager = new RedisConnectionManager({
  port: Number(Deno.args[0]),
  databases: { main: { db: 0, maxLanes: 2, commandTimeoutMs: 30_000 } },
});
const client = manager.getClient("main");
await client.set("small", "v");
// Busy for some ticks, so that a second lane is opened.
for (let i = 0; manager.getPoolStatistics("main").lanes < 2 && i < 1000; i++) {
  await Promise.all(Array.from({ length: 2000 }, () => client.get("small")));
}
const { lanes } = manager.getPoolStatistics("main");
const before = peak();
const bulk = client.getBuffer("big");
const besideBulk = await longestWait(bulk, () => client.get("small"));
const bulkBytes = (await bulk)!.byteLength;
const afterBulk = peak();
const list = client.lrange("list", 0, -1);
const besideList = await longestWait(list, () => client.get("small"));
const { length } = await list;
console.log(JSON.stringify({
  ...{ lanes, bulkBytes, length, besideBulk, besideList },
  bulkCost: afterBulk - before,
  listCost: peak() - before,
}));
