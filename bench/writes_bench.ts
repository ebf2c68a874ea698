/**
 * What writes cost that run once, and that replicas have confirmed, beside plain ones: SET of
 * 100 bytes by 64 callers, each kind in turns.
 *
 *     deno run -A bench/writes_bench.ts [--check] [--rounds N]
 *
 * With `--check` it ends with 1 if a bound is missed. It starts its own servers.
 */
import { type CallOptions, type RedisClient, RedisConnectionManager } from "../mod.ts";
import { RedisServer } from "../src/testing/redis_server.ts";
import { startReplicated } from "../tests/support/replicated.ts";
import {
  type BenchFlags,
  inTurns,
  median,
  PREFIX,
  ratioOf,
  runLoad,
  runProgram,
} from "./kit.ts";

const CALLERS = 64;
/** Short: on a busy machine only short rounds are undisturbed. */
const ROUND_MS = 15;
const VALUE = "x".repeat(100);
/** Least throughput, as a share of that of plain writes. */
const BOUNDS = { once: 0.5, replicas: 0.5 };

/** Writes a second over one round. */
async function measure(client: RedisClient): Promise<number> {
  const { perSecond } = await runLoad({
    callers: CALLERS,
    durationMs: ROUND_MS,
    call: (n) => client.set(`${PREFIX}${n % 1000}`, VALUE),
    isTimed: () => false,
  });
  return perSecond;
}

/** Compares a kind of write with plain ones; gives whether it keeps to its bound. */
async function compare(
  { host, port }: RedisServer,
  name: keyof typeof BOUNDS,
  call: CallOptions,
  rounds: number,
): Promise<boolean> {
  await using manager = new RedisConnectionManager({
    host,
    port,
    databases: { main: { db: 0 } },
  });
  const plain = manager.getClient("main");
  const found = await inTurns([plain, plain.with(call)], rounds, measure, 50);
  const [before, after] = [...found.values()] as [number[], number[]];
  const ratio = ratioOf(after, before).median;
  const [was, is] = [before, after].map((rates) => (median(rates) / 1000).toFixed(0));
  console.log(
    `${name}: ${is}k/s beside ${was}k/s plain, ratio ${ratio.toFixed(2)} ` +
      `(at least ${BOUNDS[name]})`,
  );
  return ratio >= BOUNDS[name];
}

/** Says how much memory the tokens take. */
async function weighTokens(server: RedisServer): Promise<void> {
  const tokens = await server.cli("KEYS", "mooring:once:*") as string[];
  let bytes = 0;
  for (const token of tokens) bytes += Number(await server.cli("MEMORY", "USAGE", token));
  console.log(`${tokens.length} tokens, ${bytes} bytes`);
}

/** Measures and prints; gives how many bounds were missed. */
export async function runWrites({ quick, rounds = quick ? 100 : 400 }: BenchFlags) {
  await using server = await RedisServer.start();
  const isOnceCheap = await compare(server, "once", { once: true }, rounds);
  await weighTokens(server);
  await using servers = await startReplicated();
  const call = { waitReplicas: 1, waitMs: 5000 };
  const isWaitCheap = await compare(servers.primary, "replicas", call, rounds);
  return [isOnceCheap, isWaitCheap].filter((kept) => !kept).length;
}

if (import.meta.main) await runProgram(runWrites);
