/**
 * How fast values of 4 KiB to 1 MiB come and go, beside other clients and beside bare
 * sockets. Run: `deno task bench --values`.
 *
 * @module
 */
import { RedisServer } from "../src/testing/redis_server.ts";
import { LineProcess } from "./line_process.ts";
import { median } from "./speed/load.ts";
import { type Figures, LOADS, nameOf, type ValueLoad } from "./values/loads.ts";
import { RIVALS } from "./values/rivals.ts";

/** What {@linkcode runValues} is asked for. */
export interface ValuesOptions {
  /** Fewer rounds. Default `false`. */
  quick?: boolean;
  /** Loads whose name has one of these in it, separated by commas. Default: all. */
  only?: string;
}

/** How long each runs before it counts, in milliseconds: until it is compiled. */
const WARM_UP_MS = 200;
const ROUND_MS = 150;
const ROUNDS = { full: 9, quick: 5 };

/**
 * Measures, and prints a line for each load and client: commands a second, p99, and CPU
 * time a command; medians of the rounds. All clients run in turn within each round, each
 * in a process of its own, and each round begins with another one.
 *
 * @param options What to measure.
 * @returns 0: it has no bounds.
 */
export async function runValues(options: ValuesOptions = {}): Promise<number> {
  const named = Deno.env.get("REDIS_URL");
  await using server = named === undefined ? await RedisServer.start() : undefined;
  const url = named ?? server!.url;
  await using stack = new AsyncDisposableStack();
  const contenders = new Map<string, LineProcess>();
  for (const rival of Object.keys(RIVALS)) {
    const process = await openMember(rival, url);
    if (process !== undefined) contenders.set(rival, stack.use(process));
  }
  const wanted = options.only?.split(",");
  const loads = LOADS.filter((load) =>
    wanted === undefined || wanted.some((text) => nameOf(load).includes(text))
  );
  const { deno, v8 } = Deno.version;
  console.log(`Deno ${deno}, V8 ${v8}, ${navigator.hardwareConcurrency} cores\n`);
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  console.log(row(["commands/s, p99 ms, CPU µs a command", ...contenders.keys()]));
  console.log(row(["---", ...[...contenders.keys()].map(() => "---:")]));
  for (const load of loads) {
    const rounds = options.quick ? ROUNDS.quick : ROUNDS.full;
    const found = await measure(contenders, load, rounds);
    const cells = [...found.values()].map(cellOf);
    console.log(row([nameOf(load), ...cells]));
  }
  return 0;
}

/** A client that this machine cannot have is left out, with the reason. */
async function openMember(rival: string, url: string): Promise<LineProcess | undefined> {
  const script = new URL("./values/member.ts", import.meta.url);
  const folder = new URL("../", import.meta.url).pathname;
  try {
    return await LineProcess.start({ script, folder, args: [rival, url] });
  } catch (error) {
    console.log(
      `${rival} is left out: ${error instanceof Error ? error.message : error}`,
    );
    return undefined;
  }
}

async function measure(
  contenders: ReadonlyMap<string, LineProcess>,
  load: Omit<ValueLoad, "durationMs">,
  rounds: number,
): Promise<Map<string, Figures[]>> {
  const names = [...contenders.keys()];
  const found = new Map(names.map((name) => [name, [] as Figures[]]));
  const ask = async (name: string, durationMs: number): Promise<Figures> =>
    JSON.parse(await contenders.get(name)!.ask(JSON.stringify({ ...load, durationMs })));
  for (const name of names) await ask(name, WARM_UP_MS);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length]!;
      found.get(name)!.push(await ask(name, ROUND_MS));
    }
  }
  return found;
}

function cellOf(rounds: readonly Figures[]): string {
  const of = (key: keyof Figures) => median(rounds.map((figures) => figures[key]));
  const perSecond = of("perSecond");
  const rate = perSecond >= 10_000
    ? `${Math.round(perSecond / 1000)}k`
    : perSecond >= 1000
    ? `${(perSecond / 1000).toFixed(1)}k`
    : perSecond.toFixed(0);
  return `${rate}, ${of("p99Ms").toFixed(1)}, ${of("cpuUs").toFixed(0)}`;
}
