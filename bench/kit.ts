/**
 * What the benches have in common: a server, the flags of a program, a load of callers,
 * turns, and ratios.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { median } from "../src/cli/tune/statistics.ts";
import { RedisServer } from "../src/testing/redis_server.ts";

export { median };

/** Prefix of every key that the benches touch. */
export const PREFIX = "mooring:bench:";

/** Folder of this package. */
export const FOLDER: string = new URL("../", import.meta.url).pathname;

/** The server that `REDIS_URL` names, or one that is started for the run. */
export async function openServer(): Promise<{ readonly url: string } & AsyncDisposable> {
  const url = Deno.env.get("REDIS_URL");
  if (url === undefined) return await RedisServer.start();
  return { url, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** What a bench is asked for. */
export interface BenchFlags {
  /** Fewer or shorter rounds. */
  readonly quick?: boolean;
  /** How many rounds. */
  readonly rounds?: number;
  /** Folder of another checkout that is measured beside this one. */
  readonly against?: string;
}

/**
 * Runs a bench as a program: `--quick`, `--rounds N`, `--against FOLDER`. With `--check` it
 * ends with 1 if a bound was missed.
 *
 * @param run Measures and prints; gives how many bounds were missed.
 */
export async function runProgram(
  run: (flags: BenchFlags) => Promise<number>,
): Promise<void> {
  const { values: { against, check, quick, rounds } } = parseArgs({
    options: {
      against: { type: "string" },
      check: { type: "boolean" },
      quick: { type: "boolean" },
      rounds: { type: "string" },
    },
  });
  const missed = await run({
    ...{ against, quick },
    ...(rounds === undefined ? {} : { rounds: Number(rounds) }),
  });
  if (check && missed > 0) Deno.exitCode = 1;
}

/** A load: callers that each wait for their reply before they go on. */
export interface Load {
  /** How many callers. */
  readonly callers: number;
  /** How long it runs, in milliseconds. */
  readonly durationMs: number;
  /** What a caller does; `n` counts its commands, from the caller's own number on. */
  readonly call: (n: number) => Promise<unknown>;
  /** Whether the time of a caller's n-th command is taken: reading the clock costs as much
   * as a good part of a command. Default: all. */
  readonly isTimed?: (n: number) => boolean;
}

/** What a load came to. */
export interface LoadResult {
  /** Commands a second, over all callers. */
  readonly perSecond: number;
  /** How long the timed commands took, in milliseconds. */
  readonly times: readonly number[];
}

/** Runs a load to its end. */
export async function runLoad(
  { call, callers, durationMs, isTimed = () => true }: Load,
): Promise<LoadResult> {
  const times: number[] = [];
  let isOver = false;
  let done = 0;
  const caller = async (first: number) => {
    for (let n = first; !isOver; n++) {
      if (isTimed(n)) {
        const startedAt = performance.now();
        await call(n);
        times.push(performance.now() - startedAt);
      } else await call(n);
      done++;
    }
  };
  const startedAt = performance.now();
  setTimeout(() => isOver = true, durationMs);
  await Promise.all(Array.from({ length: callers }, (_, i) => caller(i)));
  return { perSecond: done * 1000 / (performance.now() - startedAt), times };
}

/**
 * A quantile by the nearest rank.
 *
 * @param values The values, in any order.
 * @param share From 0 to 1.
 * @returns The value; `NaN` if there are none.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/**
 * Runs some contenders in turn, round after round, so that what disturbs the machine disturbs
 * all of them. Each round begins with another one, and every second goes the other way round:
 * what one leaves behind, such as a collection, is not always paid by the same one.
 *
 * @param contenders The contenders.
 * @param rounds How many rounds count.
 * @param run Runs one of them once; its second argument says whether the round counts.
 * @param warmUps Rounds before them, in which code is compiled. Default: 1.
 * @returns What each came to, round by round.
 */
export async function inTurns<C, R>(
  contenders: readonly C[],
  rounds: number,
  run: (contender: C, counts: boolean) => Promise<R>,
  warmUps: number = 1,
): Promise<Map<C, R[]>> {
  const results = new Map(contenders.map((contender) => [contender, [] as R[]]));
  for (let round = -warmUps; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const at = (i + warmUps + round) % contenders.length;
      const contender = contenders.at(round % 2 === 0 ? at : -1 - at)!;
      const result = await run(contender, round >= 0);
      if (round >= 0) results.get(contender)!.push(result);
    }
  }
  return results;
}

/** How one contender compares with another. */
export interface Ratio {
  /** Median of the rounds' ratios: what disturbs both cancels out. */
  readonly median: number;
  /** The smallest and the largest of them: how noisy it was. */
  readonly spread: readonly [number, number];
}

/** Compares two contenders round by round. */
export function ratioOf(one: readonly number[], other: readonly number[]): Ratio {
  const ratios = one.map((value, i) => value / other[i]!);
  return {
    median: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}

/** A Markdown table: text in the first column, figures in the others. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, i) =>
        i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
      )
        .join(" | ")
    } |`;
  const rule = widths.map((width, i) =>
    i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`
  );
  return [line(rows[0]!), line(rule), ...rows.slice(1).map(line)].join("\n");
}
