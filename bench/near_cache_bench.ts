/**
 * What the near cache brings and costs: GET through two databases of one manager, with and
 * without it, in turns within each round.
 *
 *     deno run -A bench/near_cache_bench.ts [--check] [--rounds N]
 *
 * With `--check` it ends with 1 if a bound is missed. `REDIS_URL` names the server; without
 * it one of its own is started.
 */
import { type RedisClient, RedisConnectionManager } from "../mod.ts";
import {
  type BenchFlags,
  inTurns,
  median,
  openServer,
  PREFIX,
  ratioOf,
  runProgram,
} from "./kit.ts";

const ROUND_MS = 150;
/** Keys that are read again and again, and keys of which each is read once in a while. */
const HOT = 1000;
const COLD = 100_000;
const VALUE = "v".repeat(128);

interface Row {
  readonly what: string;
  readonly callers: number;
  /** Key number `i`. */
  readonly key: (i: number) => string;
  /** Least ratio of the throughput to that without the cache. */
  readonly bound: number;
}

const hot = (i: number) => `${PREFIX}${i % HOT}`;
const cold = (i: number) => `${PREFIX}${i % COLD}`;
/** A miss takes at most 1.05 times as long as a plain read. */
const MISS = 1 / 1.05;
/** Where many callers keep the CPU busy, a plain read takes 2 to 3 µs of it, and keeping a
 * reply about 2 more. */
const BUSY_MISS = 0.5;
const ROWS: readonly Row[] = [
  { what: "hit", callers: 1, key: hot, bound: 30 },
  { what: "hit", callers: 64, key: hot, bound: 5 },
  { what: "miss", callers: 1, key: cold, bound: MISS },
  { what: "miss", callers: 64, key: cold, bound: BUSY_MISS },
];

/** Where each series of keys goes on, so that a cold key is not read twice in a row. */
let next = 0;

/** Commands a second. */
async function measure(client: RedisClient, { callers, key }: Row): Promise<number> {
  const until = performance.now() + ROUND_MS;
  const startedAt = performance.now();
  let done = 0;
  const run = async () => {
    while (performance.now() < until) {
      for (let i = 0; i < 16; i++) await client.get(key(next++));
      done += 16;
    }
  };
  await Promise.all(Array.from({ length: callers }, run));
  return done / (performance.now() - startedAt) * 1000;
}

async function measureRow(
  row: Row,
  cached: RedisClient,
  plain: RedisClient,
  rounds: number,
): Promise<number> {
  const found = await inTurns([cached, plain], rounds, (of) => measure(of, row), 2);
  const [one, other] = [...found.values()] as [number[], number[]];
  const ratio = ratioOf(one, other).median;
  const verdict = ratio >= row.bound ? "holds" : "MISSED";
  console.log(
    `${row.what.padEnd(4)} C=${String(row.callers).padEnd(3)}` +
      `${Math.round(median(one)).toString().padStart(9)}/s, without ` +
      `${Math.round(median(other)).toString().padStart(7)}/s: ${ratio.toFixed(3)}×, ` +
      `at least ${row.bound.toFixed(3)}× ${verdict}`,
  );
  return ratio;
}

/** How many requests 10,000 callers of one cold key make. */
async function requestsOfOneKey(
  manager: RedisConnectionManager,
  url: string,
): Promise<number> {
  await using judge = new RedisConnectionManager({
    url,
    databases: { judge: { db: 0 } },
  });
  const calls = async () => {
    const text = await judge.getClient("judge").info("commandstats");
    return Number(/cmdstat_get:calls=(\d+)/.exec(text)?.[1] ?? 0);
  };
  const before = await calls();
  const client = manager.getClient("cached");
  await Promise.all(Array.from({ length: 10_000 }, () => client.get(`${PREFIX}one`)));
  return await calls() - before;
}

async function runNearCache({ rounds = 31 }: BenchFlags): Promise<number> {
  await using server = await openServer();
  const { url } = server;
  await using manager = new RedisConnectionManager({
    url,
    databases: {
      plain: { db: 0 },
      cached: { db: 0, nearCache: { maxEntries: HOT * 2 } },
    },
  });
  const [plain, cached] = [manager.getClient("plain"), manager.getClient("cached")];
  for (let from = 0; from < COLD; from += 10_000) {
    await manager.pipeline("plain", (p) => {
      for (let i = from; i < from + 10_000; i++) p.set(cold(i), VALUE, "EX", 3600);
    });
  }
  const requests = await requestsOfOneKey(manager, url);
  console.log(`10,000 callers of one cold key: ${requests} request`);
  let missed = requests === 1 ? 0 : 1;
  for (let i = 0; i < HOT; i++) await cached.get(hot(i));
  for (const row of ROWS) {
    if (await measureRow(row, cached, plain, rounds) < row.bound) missed++;
  }
  for (let i = 0; i < COLD; i += 1000) {
    const keys = Array.from({ length: 1000 }, (_, j) => cold(i + j));
    await plain.unlink(...keys);
  }
  return missed;
}

if (import.meta.main) await runProgram(runNearCache);
