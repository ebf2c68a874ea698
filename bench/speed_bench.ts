/**
 * How fast the manager is beside plain ioredis, its own bare transport, node-redis and
 * the server's own load generator, all in one run. Run: `deno task bench`.
 *
 * @module
 */
import { type BenchFlags, openServer } from "./kit.ts";
import { LineProcess } from "./line_process.ts";
import { judge } from "./speed/bounds.ts";
import { type CostRow, measureCosts } from "./speed/costs.ts";
import type { RivalName } from "./speed/rivals.ts";
import { type Effort, type Row, runRow } from "./speed/rounds.ts";
import { labelOf, SCENARIOS } from "./speed/scenarios.ts";
import { costTable, missedLines, throughputTable } from "./speed/table.ts";

const PROCESS = new URL("./speed/contender_process.ts", import.meta.url);
/** Many rounds that are short: what disturbs the machine then disturbs neighbours alike. */
const FULL: Effort = { rounds: 21, durationMs: 130 };
/** Of many callers, who take longer to get going. */
const FULL_OF_MANY: Effort = { rounds: 9, durationMs: 400 };
/** From how many callers on. */
const MANY = 256;
const QUICK: Effort = { rounds: 7, durationMs: 100 };
/** Runs of each program whose memory and start are measured. */
const COST_RUNS = { full: 7, quick: 5 };

/** What {@linkcode runSpeed} is asked for. */
export interface SpeedOptions extends BenchFlags {
  /** Rows whose name has this in it. Default: all, and the costs. */
  only?: string;
}

async function measure(
  url: string,
  { only, quick }: SpeedOptions,
): Promise<[Row[], CostRow[]]> {
  const scenarios = SCENARIOS.filter((scenario) =>
    labelOf(scenario).includes(only ?? "")
  );
  await using stack = new AsyncDisposableStack();
  const processes = new Map<RivalName, LineProcess>();
  for (const rival of new Set(scenarios.flatMap(({ rivals }) => rivals))) {
    const args = [rival, url];
    processes.set(rival, stack.use(await LineProcess.start({ script: PROCESS, args })));
  }
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    console.error(`  ${labelOf(scenario)}`);
    const effort = quick ? QUICK : scenario.callers < MANY ? FULL : FULL_OF_MANY;
    rows.push(await runRow(scenario, processes, effort, url));
  }
  if (only !== undefined) return [rows, []];
  console.error("  memory and cold start");
  return [rows, await measureCosts(url, COST_RUNS[quick ? "quick" : "full"])];
}

/**
 * Measures, prints the tables, and says which bounds were missed.
 *
 * @param options What to measure.
 * @returns How many bounds were missed.
 */
export async function runSpeed(options: SpeedOptions = {}): Promise<number> {
  await using server = await openServer();
  const [rows, costs] = await measure(server.url, options);
  const { deno, v8 } = Deno.version;
  const cores = navigator.hardwareConcurrency;
  console.log(`Deno ${deno}, V8 ${v8}, ${cores} cores; commands/s and p99 in ms\n`);
  console.log(throughputTable(rows));
  if (costs.length > 0) console.log(`\n${costTable(costs)}`);
  const bounds = judge(rows, costs);
  const missed = missedLines(bounds);
  console.log(`\n${bounds.length - missed.length} of ${bounds.length} bounds hold`);
  for (const line of missed) console.log(`MISSED ${line}`);
  return missed.length;
}
