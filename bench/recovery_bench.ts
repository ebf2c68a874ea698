/**
 * How soon a server is served again after it was killed and restarted: the manager, plain
 * ioredis and node-redis side by side, all in one process, at the same server and in the
 * same outages, each with its defaults.
 *
 *     deno task bench --only=recovery [--quick]
 *
 * `--quick` takes fewer rounds and leaves out the outage of 60 s. A caller of each sends a
 * GET every 10 ms; the time is that from the moment when the server answers again, which a
 * connection of the bench's own finds out, to the first GET that was sent by then or later
 * and is answered.
 */
import { type Column, tableLines } from "../src/cli/table.ts";
import { RedisServer } from "../src/testing/redis_server.ts";
import { type BenchFlags, median, PREFIX } from "./kit.ts";
import { RIVALS, type Speaker } from "./speed/rivals.ts";

/** Outages in milliseconds, rounds of each, and how soon the manager must be back. */
const OUTAGES = [
  { downMs: 300, rounds: 10, withinMs: 1000 },
  { downMs: 3000, rounds: 10, withinMs: 1000 },
  { downMs: 10_000, rounds: 10, withinMs: 1000 },
  { downMs: 60_000, rounds: 10, withinMs: 2500 },
] as const;
const QUICK_ROUNDS = 3;
const CALL_EVERY_MS = 10;
/** Nobody is waited for longer, in milliseconds. */
const GIVE_UP_MS = 90_000;
const KEY = `${PREFIX}recovery`;

const CLIENTS = ["manager", "ioredis", "node-redis"] as const;

/** What one contender made of the outages of one length. */
interface Result {
  readonly downMs: number;
  readonly name: string;
  /** From the server's return to the first reply, in milliseconds. */
  readonly times: number[];
  /** Calls of the outages that failed. */
  failed: number;
  /** Calls altogether. */
  calls: number;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Calls until it is stopped, and notes when a call was answered last. */
function callSteadily(speaker: Speaker, result: Result) {
  const seen = { answeredAt: -Infinity, stopped: false };
  const run = async () => {
    while (!seen.stopped) {
      result.calls++;
      speaker.get(KEY).then(
        () => seen.answeredAt = performance.now(),
        () => result.failed++,
      );
      await pause(CALL_EVERY_MS);
    }
  };
  return { seen, done: run() };
}

/** One outage for all contenders. */
async function runOutage(
  server: RedisServer,
  speakers: readonly Speaker[],
  results: readonly Result[],
  downMs: number,
): Promise<void> {
  const callers = speakers.map((speaker, i) => callSteadily(speaker, results[i]!));
  await pause(200);
  await server.kill();
  await pause(downMs);
  await server.restart();
  const backAt = performance.now();
  await Promise.all(callers.map(async ({ seen }, i) => {
    while (seen.answeredAt < backAt && performance.now() < backAt + GIVE_UP_MS) {
      await pause(1);
    }
    results[i]!.times.push(Math.max(0, seen.answeredAt - backAt));
  }));
  for (const { seen } of callers) seen.stopped = true;
  await Promise.all(callers.map(({ done }) => done));
  // What still waits is answered before the next outage begins.
  await pause(1000);
}

const COLUMNS: readonly Column<Result>[] = [
  { title: "outage s", cell: ({ downMs }) => String(downMs / 1000) },
  { title: "client", cell: ({ name }) => name },
  { title: "median ms", cell: ({ times }) => median(times).toFixed(0) },
  { title: "worst ms", cell: ({ times }) => Math.max(...times).toFixed(0) },
  { title: "rounds", cell: ({ times }) => String(times.length) },
  {
    title: "calls failed %",
    cell: ({ calls, failed }) => (100 * failed / calls).toFixed(1),
  },
];

/** Measures and prints; gives how many bounds the manager missed. `quick`: fewer rounds, and
 * no outage of 60 s. */
export async function runRecovery({ quick = false }: BenchFlags): Promise<number> {
  await using server = await RedisServer.start();
  const speakers = await Promise.all(CLIENTS.map((name) => RIVALS[name](server.url)));
  const all: Result[] = [];
  let missed = 0;
  for (const { downMs, rounds, withinMs } of OUTAGES) {
    if (quick && downMs > 10_000) continue;
    const results = CLIENTS.map((name): Result => (
      { downMs, name, times: [], failed: 0, calls: 0 }
    ));
    for (let n = 0; n < (quick ? QUICK_ROUNDS : rounds); n++) {
      await runOutage(server, speakers, results, downMs);
    }
    all.push(...results);
    const [manager, ioredis] = results.map(({ times }) => Math.max(...times));
    if (manager! > Math.max(withinMs, ioredis!)) missed++;
  }
  await Promise.all(speakers.map((speaker) => speaker.close()));
  console.log(tableLines(COLUMNS, all).join("\n"));
  console.log(
    missed === 0 ? "All bounds held." : `${missed} bounds of the manager's worst missed.`,
  );
  return missed;
}

if (import.meta.main) {
  Deno.exitCode = await runRecovery({ quick: Deno.args.includes("--quick") }) > 0 ? 1 : 0;
}
