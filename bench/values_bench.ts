/**
 * How fast values of 4 KiB to 1 MiB come and go, beside other clients and beside bare
 * sockets. Run: `deno task bench --values`.
 *
 * @module
 */
import { type BenchFlags, inTurns, markdownTable, median, openServer } from "./kit.ts";
import { LineProcess } from "./line_process.ts";
import type { RivalName } from "./speed/rivals.ts";
import { type Figures, LOADS, nameOf } from "./values/loads.ts";

/** What {@linkcode runValues} is asked for. */
export interface ValuesOptions extends BenchFlags {
  /** Loads whose name has one of these in it, separated by commas. Default: all. */
  only?: string;
}

const CLIENTS: readonly RivalName[] = [
  ...["manager", "manager, deno", "ioredis", "iovalkey", "node-redis", "GLIDE"] as const,
  ...["@db/redis", "socket, node:net", "socket, Deno"] as const,
];
const PROCESS = new URL("./values/member.ts", import.meta.url);
/** How long each runs before it counts, in milliseconds: until it is compiled. */
const WARM_UP_MS = 200;
const ROUND_MS = 150;

/**
 * Measures, and prints a line for each load: of each client commands a second, p99, and CPU
 * time a command; medians of the rounds. Each client has a process of its own.
 *
 * @param options What to measure.
 * @returns 0: it has no bounds.
 */
export async function runValues(
  { only, quick, rounds = quick ? 5 : 9 }: ValuesOptions = {},
): Promise<number> {
  await using server = await openServer();
  await using stack = new AsyncDisposableStack();
  const processes = new Map<string, LineProcess>();
  for (const client of CLIENTS) {
    const process = await openMember(client, server.url);
    if (process !== undefined) processes.set(client, stack.use(process));
  }
  const wanted = only?.split(",") ?? [""];
  const loads = LOADS.filter((load) =>
    wanted.some((text) => nameOf(load).includes(text))
  );
  const { deno, v8 } = Deno.version;
  console.log(`Deno ${deno}, V8 ${v8}, ${navigator.hardwareConcurrency} cores\n`);
  const rows = [["commands/s, p99 ms, CPU µs a command", ...processes.keys()]];
  for (const load of loads) {
    console.error(`  ${nameOf(load)}`);
    const found = await inTurns(
      [...processes.values()],
      rounds,
      async (process, counts): Promise<Figures> => {
        const durationMs = counts ? ROUND_MS : WARM_UP_MS;
        return JSON.parse(await process.ask(JSON.stringify({ ...load, durationMs })));
      },
    );
    rows.push([nameOf(load), ...[...found.values()].map(cellOf)]);
  }
  console.log(markdownTable(rows));
  return 0;
}

/** A client that this machine cannot have is left out, with the reason. */
async function openMember(client: string, url: string): Promise<LineProcess | undefined> {
  try {
    return await LineProcess.start({ script: PROCESS, args: [client, url] });
  } catch (error) {
    console.log(`${client} is left out: ${(error as Error).message}`);
    return undefined;
  }
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
