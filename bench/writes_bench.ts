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
import { type BenchFlags, PREFIX, quantile, runLoad, runProgram } from "./kit.ts";

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
  const other = plain.with(call);
  const rates: number[] = [];
  const ratios: number[] = [];
  for (let round = -50; round < rounds; round++) {
    const before = await measure(plain);
    const rate = await measure(other);
    const after = await measure(plain);
    // The first rounds are cold.
    if (round < 0) continue;
    rates.push(rate);
    // What else the machine does changes slowly: it slows down neighbours alike.
    ratios.push(rate / Math.sqrt(before * after));
  }
  const ratio = quantile(ratios, 0.5);
  console.log(
    `${name}: ${(quantile(rates, 0.5) / 1000).toFixed(0)}k/s, ` +
      `${ratio.toFixed(2)} of plain writes beside it (at least ${BOUNDS[name]})`,
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
