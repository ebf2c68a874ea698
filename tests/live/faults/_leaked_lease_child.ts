/** Loses a lease, and says what it was told of it; run with a garbage collector at hand. */
import { RedisConnectionManager } from "../../../mod.ts";

declare const gc: () => void;

const port = Number(Deno.args[0]);
const manager = new RedisConnectionManager({
  port,
  databases: { main: { db: 0, maxConnections: 2, leakDetectionThresholdMs: 60_000 } },
});
const told = new Promise((resolve) =>
  manager.addEventListener("leak", ({ detail }) => resolve(detail), { once: true })
);

async function loseLease(): Promise<void> {
  const lease = await manager.acquire("main");
  await lease.client.watch("k");
}

await manager.getClient("main").ping();
await loseLease();
const before = manager.getPoolStatistics("main").leases;
const collecting = setInterval(() => gc(), 5);
const detail = await told;
clearInterval(collecting);
// The place is free again: the only one for leases.
const next = await manager.acquire("main", { timeoutMs: 30_000 });
const clean = await next.client.multi().ping().exec();
next.release();
const { evictions } = manager.getPoolStatistics("main");
// The client alone keeps its lease.
const { client } = await manager.acquire("main");
let leaks = 0;
manager.addEventListener("leak", () => leaks++);
for (let i = 0; i < 20; i++) {
  gc();
  await new Promise((resolve) => setTimeout(resolve, 5));
}
const kept = await client.ping();
console.log(JSON.stringify({ before, detail, clean, evictions, leaks, kept }));
await manager.closeAll({ drainMs: 0 });
