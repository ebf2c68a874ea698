/**
 * What 50 blocking commands beside them do to ordinary ones: GET's p99 with 50 BLPOPs that
 * wait, and are given work all the time, against GET's p99 without any, in turns.
 *
 *     deno run -A bench/blocking_bench.ts [--check] [--rounds N]
 *
 * With `--check` it ends with 1 if the ratio is above its bound. `REDIS_URL` names the
 * server; without it one of its own is started.
 */
import { RedisConnectionManager } from "../mod.ts";
import { RedisServer } from "../src/testing/redis_server.ts";

/** Most that GET's p99 may grow by. */
const BOUND = 1.5;
const CONSUMERS = 50;
const CONCURRENCY = 16;
const ROUND_MS = 400;
/** Pause between two jobs, in milliseconds. */
const JOB_EVERY_MS = 5;
const JOBS = "mooring:bench:jobs";
const KEY = "mooring:bench:key";
const STOP = "stop";

/** GET's p99 over one round, in milliseconds. */
async function p99(manager: RedisConnectionManager): Promise<number> {
  const client = manager.getClient("main");
  const times: number[] = [];
  const until = performance.now() + ROUND_MS;
  const caller = async () => {
    for (let now = performance.now(); now < until;) {
      await client.get(KEY);
      const after = performance.now();
      times.push(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, caller));
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)]!;
}

/** The same beside consumers that wait, and work that comes for them. */
async function p99BesideConsumers(manager: RedisConnectionManager): Promise<number> {
  const client = manager.getClient("main");
  const consumers = Array.from({ length: CONSUMERS }, async () => {
    while ((await client.blpop(JOBS, 0))?.[1] !== STOP);
  });
  while (manager.getPoolStatistics("main").leases < CONSUMERS) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const jobs = setInterval(() => client.rpush(JOBS, "work"), JOB_EVERY_MS);
  const result = await p99(manager);
  clearInterval(jobs);
  await client.rpush(JOBS, ...Array.from({ length: CONSUMERS }, () => STOP));
  await Promise.all(consumers);
  return result;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function measure(url: string, rounds: number): Promise<number> {
  await using manager = new RedisConnectionManager({
    url,
    databases: { main: { maxConnections: CONSUMERS + 5 } },
  });
  await manager.getClient("main").set(KEY, "x".repeat(100), "EX", 600);
  await p99(manager);
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await p99(manager));
    beside.push(await p99BesideConsumers(manager));
  }
  await manager.getClient("main").del(JOBS, KEY);
  const ratio = median(beside) / median(alone);
  console.log(
    `GET p99 at ${CONCURRENCY} callers, median of ${rounds} rounds of ${ROUND_MS} ms: ` +
      `${median(alone).toFixed(3)} ms alone, ${median(beside).toFixed(3)} ms beside ` +
      `${CONSUMERS} BLPOPs, ratio ${ratio.toFixed(2)} (bound ${BOUND})`,
  );
  return ratio;
}

/**
 * Measures and says what was found.
 *
 * @param rounds Rounds of each of the two.
 * @returns How many bounds were missed.
 */
export async function runBlocking(rounds: number): Promise<number> {
  const url = Deno.env.get("REDIS_URL");
  await using server = url === undefined ? await RedisServer.start() : undefined;
  const ratio = await measure(url ?? server!.url, rounds);
  if (ratio <= BOUND) return 0;
  console.log(
    `MISSED GET p99 beside BLPOPs: ${ratio.toFixed(2)}×, must be at most ${BOUND}×`,
  );
  return 1;
}

if (import.meta.main) {
  const at = Deno.args.indexOf("--rounds");
  const missed = await runBlocking(at < 0 ? 7 : Number(Deno.args[at + 1]));
  if (Deno.args.includes("--check") && missed > 0) Deno.exitCode = 1;
}
