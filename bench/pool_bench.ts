/**
 * What acquire and release cost, beside other pools in the same run, in turns.
 *
 *     deno run -A bench/pool_bench.ts [--check] [--quick]
 *
 * One caller on an idle connection, who gives it back at once; 1, 10 and 1,000 callers who
 * wait for the only connection, each of whom has it for one asynchronous step; and what each of many callers of ten connections costs: the same, however
 * many there are, if the total is linear. With `--check` it ends with 1 if a bound is
 * missed. `REDIS_URL` names a server for the pool that needs one; without it one of its
 * own is started.
 *
 * @module
 */
import {
  type BenchFlags,
  inTurns,
  median,
  openServer,
  ratioOf,
  runProgram,
} from "./kit.ts";
import { openRivals, ours, type Rival } from "./pool/rivals.ts";

/** Acquires and releases a second that one caller must come to. */
const LEAST_PER_SECOND = 1_000_000;
/** Most that each of 10,000 callers may cost, to what each of 2,500 does. */
const LINEAR_WITHIN = 2;
const WAITING = [1, 10, 1000] as const;
const CROWDS = [2_500, 10_000, 40_000] as const;
/** Cycles in a round, whatever the number of callers. */
const CYCLES = 20_000;

/** Lets so many callers in at the same moment, and waits for all. */
async function crowd({ hold }: Rival, callers: number): Promise<void> {
  await Promise.all(Array.from({ length: callers }, hold));
}

/** Microseconds for each cycle of one round. */
async function roundOf(rival: Rival, callers: number): Promise<number> {
  const times = Math.max(1, Math.round(CYCLES / callers));
  const start = performance.now();
  if (callers === 1) { for (let i = 0; i < times; i++) await rival.cycle(); }
  else for (let i = 0; i < times; i++) await crowd(rival, callers);
  return (performance.now() - start) * 1000 / (times * callers);
}

/** Microseconds for each cycle, of each rival in each round: they take turns. */
async function measure(
  rivals: readonly Rival[],
  callers: number,
  rounds: number,
): Promise<number[][]> {
  // Before anything is timed, the engine has seen the code.
  const found = await inTurns(rivals, rounds, (rival) => roundOf(rival, callers), 2);
  return [...found.values()];
}

/** Prints the line of a bound; gives whether it is missed. */
function judge(what: string, found: string, holds: boolean): boolean {
  console.log(`  ${holds ? "ok    " : "MISSED"} ${what}: ${found}`);
  return !holds;
}

async function alone(rivals: readonly Rival[], rounds: number): Promise<number> {
  const all = [...rivals, ours(1, 10_000)];
  const found = await measure(all, 1, rounds);
  console.log("one caller on an idle connection, cycles per second:");
  for (const [i, { name }] of all.entries()) {
    const rate = Math.round(1_000_000 / median(found[i]!)).toLocaleString("en");
    console.log(`  ${name.padStart(26)} ${rate.padStart(12)}`);
  }
  const rate = 1_000_000 / median(found[0]!);
  await all.at(-1)!.close();
  const told = `${(rate / 1_000_000).toFixed(2)} million/s`;
  return +judge("at least 1 million/s", told, rate >= LEAST_PER_SECOND);
}

async function contended(rivals: readonly Rival[], rounds: number): Promise<number> {
  let missed = 0;
  for (const waiting of WAITING) {
    const found = await measure(rivals, waiting + 1, rounds);
    console.log(`${waiting} waiting for the only connection, µs for each:`);
    for (const [i, { name }] of rivals.entries()) {
      console.log(`  ${name.padStart(26)} ${median(found[i]!).toFixed(3).padStart(12)}`);
      if (i === 0) continue;
      const ratio = ratioOf(found[0]!, found[i]!).median;
      missed += +judge(`ahead of ${name}`, `${ratio.toFixed(2)} × its time`, ratio < 1);
    }
  }
  return missed;
}

async function crowds(rivals: readonly Rival[], rounds: number): Promise<number> {
  console.log(`callers of 10 connections, µs for each of ${CROWDS.join(", ")}:`);
  let own: number[] = [];
  for (const rival of rivals) {
    const costs: number[] = [];
    for (const callers of CROWDS) {
      costs.push(median((await measure([rival], callers, rounds))[0]!));
    }
    if (rival === rivals[0]) own = costs;
    const cells = costs.map((us) => us.toFixed(2).padStart(12)).join("");
    console.log(`  ${rival.name.padStart(26)} ${cells}`);
  }
  const growth = own[1]! / own[0]!;
  const told = `each costs ${growth.toFixed(2)} × as much`;
  return +judge("linear: 4 times the callers", told, growth <= LINEAR_WITHIN);
}

/** Measures, prints the tables, and says which bounds were missed; gives how many. */
export async function runPool({ quick, rounds = quick ? 5 : 15 }: BenchFlags) {
  await using server = await openServer();
  const { url } = server;
  console.log(`pools on Deno ${Deno.version.deno}, medians of ${rounds} rounds`);
  const single = await openRivals(1, url);
  let missed = await alone(single, rounds) + await contended(single, rounds);
  const ten = await openRivals(10, url);
  missed += await crowds(ten, rounds);
  for (const rival of [...single, ...ten]) await rival.close();
  return missed;
}

if (import.meta.main) await runProgram(runPool);
