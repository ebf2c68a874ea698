import { FOLDER, inTurns, median, type Ratio, ratioOf } from "../kit.ts";
import { configFile } from "../line_process.ts";

/** What a thing costs beside throughput. */
export interface CostRow {
  /** What is compared, in words. */
  readonly what: string;
  /** Unit of the figures. */
  readonly unit: "KiB" | "B" | "ms";
  /** The manager's figure, median of the runs. */
  readonly manager: number;
  /** Plain ioredis' figure, median of the runs. */
  readonly ioredis: number;
  /** The one by the other. */
  readonly ratio: Ratio;
  /** The most the ratio may be. */
  readonly most?: number;
}

/** What a child prints. */
interface Cost {
  /** Milliseconds from the start of the program to the first reply. */
  firstReplyMs: number;
  /** Milliseconds of the whole process whose only command is one GET. */
  processMs: number;
  /** Milliseconds of the whole process that sends 1,000 GETs, one after another. */
  thousandMs: number;
  /** Heap of an idle connection, in bytes. */
  perConnection: number;
  /** The same of the first hundred, with the code that is compiled to open them. */
  perFirstConnection: number;
  /** Heap of a command in flight, in bytes. */
  perCommand: number;
}

const WHO = ["manager", "ioredis"] as const;

/** The most memory that the manager may take, by ioredis': no more. */
const NO_WORSE = 1;

async function runChild(script: string, ...params: string[]): Promise<Partial<Cost>> {
  const path = new URL(`./${script}.ts`, import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--no-lock", "--config", configFile(FOLDER)],
      ...["--v8-flags=--expose-gc", path, ...params],
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${path} failed:\n${decoder.decode(stderr)}`);
  return JSON.parse(decoder.decode(stdout));
}

/** Runs a process that starts, sends GETs one after another, and ends. */
async function runCold(who: string, url: string): Promise<Partial<Cost>> {
  const timed = async (gets: number) => {
    const startedAt = performance.now();
    const found = await runChild(`cold_${who}`, url, String(gets));
    return [found, performance.now() - startedAt] as const;
  };
  const [found, processMs] = await timed(1);
  const [, thousandMs] = await timed(1000);
  return { ...found, processMs, thousandMs };
}

/**
 * Measures memory and cold start, each run in a process of its own, in turn.
 *
 * @param url The server.
 * @param rounds Runs of each.
 * @returns The rows.
 */
export async function measureCosts(url: string, rounds: number): Promise<CostRow[]> {
  // Compiled code is cached on disk: the first run of each is not counted.
  const found = await inTurns(WHO, rounds, async (who) => ({
    ...await runCold(who, url),
    ...await runChild("memory", who, url),
  }));
  const row = (
    what: string,
    unit: CostRow["unit"],
    key: keyof Cost,
    per: number,
    most?: number,
  ): CostRow => {
    const [manager, ioredis] = WHO.map((who) =>
      found.get(who)!.map((cost) => cost[key]! / per)
    ) as [number[], number[]];
    return {
      ...{ what, unit, manager: median(manager), ioredis: median(ioredis) },
      ratio: ratioOf(manager, ioredis),
      ...(most === undefined ? {} : { most }),
    };
  };
  return [
    row("heap of an idle connection", "KiB", "perConnection", 1024, NO_WORSE),
    row("the same of the first 100, with code", "KiB", "perFirstConnection", 1024),
    row("heap of a command in flight", "B", "perCommand", 1, NO_WORSE),
    row("import and first reply, cold", "ms", "firstReplyMs", 1, 1.15),
    row("whole process, one GET", "ms", "processMs", 1, 1.3),
    row("whole process, 1,000 GETs one by one", "ms", "thousandMs", 1, 1.2),
  ];
}
