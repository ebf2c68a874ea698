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
import {
  type BenchFlags,
  inTurns,
  median,
  openServer,
  PREFIX,
  quantile,
  runLoad,
  runProgram,
} from "./kit.ts";

/** Most that GET's p99 may grow by. */
const BOUND = 1.5;
const CONSUMERS = 50;
const CALLERS = 16;
const ROUND_MS = 400;
/** Pause between two jobs, in milliseconds. */
const JOB_EVERY_MS = 5;
const JOBS = `${PREFIX}jobs`;
const KEY = `${PREFIX}key`;
const STOP = "stop";

/** GET's p99 over one round, in milliseconds. */
async function p99(manager: RedisConnectionManager): Promise<number> {
  const client = manager.getClient("main");
  const call = () => client.get(KEY);
  const { times } = await runLoad({ callers: CALLERS, durationMs: ROUND_MS, call });
  return quantile(times, 0.99);
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

/** Measures and prints; gives how many bounds were missed. */
export async function runBlocking({ quick, rounds = quick ? 3 : 7 }: BenchFlags) {
  await using server = await openServer();
  await using manager = new RedisConnectionManager({
    url: server.url,
    databases: { main: { maxConnections: CONSUMERS + 5 } },
  });
  await manager.getClient("main").set(KEY, "x".repeat(100), "EX", 600);
  const found = await inTurns(
    [p99, p99BesideConsumers],
    rounds,
    (measure) => measure(manager),
  );
  await manager.getClient("main").del(JOBS, KEY);
  const [alone, beside] = [...found.values()].map(median) as [number, number];
  const ratio = beside / alone;
  console.log(
    `GET p99 at ${CALLERS} callers, median of ${rounds} rounds of ${ROUND_MS} ms: ` +
      `${alone.toFixed(3)} ms alone, ${beside.toFixed(3)} ms beside ` +
      `${CONSUMERS} BLPOPs, ratio ${ratio.toFixed(2)} (bound ${BOUND})`,
  );
  if (ratio <= BOUND) return 0;
  console.log(
    `MISSED GET p99 beside BLPOPs: ${ratio.toFixed(2)}×, must be at most ${BOUND}×`,
  );
  return 1;
}

if (import.meta.main) await runProgram(runBlocking);
