/**
 * Has all its connections cut, again and again, and says what is in its heap now and then;
 * run with a garbage collector at hand.
 */
import { writeHeapSnapshot } from "node:v8";
import { RedisConnectionManager } from "../../../mod.ts";
import { RespClient } from "../../../src/testing/resp_client.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { heapUse } from "../../soak/heap_use.ts";

declare const gc: () => void;

/** What the test asks for. */
export interface Reconnects {
  readonly transport: "node" | "deno";
  /** Where the connections go. */
  readonly port: number;
  /** Where the server itself is. */
  readonly serverPort: number;
  /** Connections until all code has run, and altogether. */
  readonly warmUp: number;
  readonly total: number;
  /** Kept of each connection on purpose, in bytes. */
  readonly leakBytes: number;
  /** Where the snapshots go: `first.heapsnapshot`, `last.heapsnapshot`. */
  readonly folder: string;
}

const LOOKS = 20;
const { transport, port, serverPort, warmUp, total, leakBytes, folder } = JSON.parse(
  Deno.args[0]!,
) as Reconnects;

const manager = new RedisConnectionManager({
  host: "127.0.0.1",
  port,
  transport,
  // Thousands of cuts in a row: whether the breaker takes the server for sick then is not
  // the question here.
  circuitBreakerThreshold: 1_000_000,
  databases: { main: { db: 0 } },
});
const killer = await RespClient.connect({ hostname: "127.0.0.1", port: serverPort });
await manager.subscribe("main", ["news"], () => {});
let opened = 0;
/** What the test plants, so as to be found. */
const leaked: unknown[] = [];
manager.addEventListener("connection", ({ detail }) => {
  if (detail.action !== "opened") return;
  opened++;
  if (leakBytes > 0) leaked.push(new Array(leakBytes / 4).fill(0));
});

/** Callers who have something in flight when their connections are cut. */
async function call(): Promise<void> {
  const client = manager.getClient("main");
  const stop = new AbortController();
  const aborted = client.with({ signal: stop.signal }).blpop("nothing", 1);
  setTimeout(() => stop.abort(), 1);
  await Promise.allSettled([
    client.get("k"),
    client.blpop("nothing", 1),
    aborted,
    manager.pipeline("main", (pipeline) => void pipeline.incr("n"), { settle: true }),
    manager.transaction("main", (tx) => void tx.incr("n")),
  ]);
}

/** Has everything collected; what is finalized goes with the next collection. */
async function collect(): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 6; i++) {
    gc();
    least = Math.min(least, heapUse().objects);
    await delay(20);
  }
  return least;
}

async function reconnectUntil(count: number): Promise<void> {
  while (opened < count) {
    const calls = call();
    // A connection that is cut before it is used is cut in vain.
    await waitFor(async () => {
      const clients = String(await killer.send("INFO", "clients"));
      return !clients.includes("blocked_clients:0");
    }, { everyMs: 1, timeoutMs: 500 }).catch(() => {});
    await killer.send("CLIENT", "KILL", "TYPE", "normal");
    await calls;
  }
}

/** A deadline that was met is kept until it would have passed: the longest is 5 s. */
const DEADLINES_MS = 5500;

await reconnectUntil(warmUp);
await delay(DEADLINES_MS);
await collect();
writeHeapSnapshot(`${folder}/first.heapsnapshot`);
const first = opened;
const heap: { n: number; bytes: number }[] = [];
for (let look = 1; look <= LOOKS; look++) {
  await reconnectUntil(first + (total - first) * look / LOOKS);
  heap.push({ n: opened, bytes: await collect() });
}
await delay(DEADLINES_MS);
await collect();
writeHeapSnapshot(`${folder}/last.heapsnapshot`);
killer.close();
await manager.closeAll({ drainMs: 0 });
console.log(JSON.stringify({ reconnects: opened - first, heap, leaked: leaked.length }));
