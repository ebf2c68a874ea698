/**
 * What telemetry costs: GET through managers that differ in nothing else, each in a process
 * of its own, in turns within each round.
 *
 *     deno run -A bench/telemetry_bench.ts [--check] [--rounds N] [--against FOLDER]
 *
 * With `--check` it ends with 1 if a manager that reports nothing is slower than its bound.
 * `--against` adds the manager of another checkout of this package, such as one from before
 * there was telemetry. `REDIS_URL` names the server; without it one of its own is started.
 */
import type { TelemetryOptions } from "../mod.ts";
import {
  type BenchFlags,
  FOLDER,
  inTurns,
  median,
  openServer,
  ratioOf,
  runProgram,
} from "./kit.ts";
import { LineProcess } from "./line_process.ts";

/** Least share of the throughput that a manager keeps that reports nothing. */
const BOUND = 0.98;
const CALLERS = [1, 64];
/** Short, and many of them: what disturbs the machine then disturbs neighbours alike. */
const ROUND_MS = 100;
const PROCESS = new URL("./telemetry/process.ts", import.meta.url);

/** A manager that is measured. */
interface Variant {
  /** Folder of the package that it is of, with a slash at the end. */
  readonly folder: string;
  /** Whether its process has an OpenTelemetry provider: Deno's own exporter. */
  readonly isExported: boolean;
  /** Its option `telemetry`. */
  readonly telemetry?: boolean | TelemetryOptions;
}

function variants(against: string | undefined): Record<string, Variant> {
  const exported = { folder: FOLDER, isExported: true };
  return {
    absent: { folder: FOLDER, isExported: false },
    ...(against && { against: { folder: `${against}/`, isExported: false } }),
    off: { ...exported, telemetry: false },
    metrics: { ...exported, telemetry: { spans: false } },
    spans: { ...exported, telemetry: { metrics: false } },
    on: { ...exported, telemetry: true },
  };
}

/** Takes what is exported and throws it away. */
function openSink(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      await request.body?.cancel();
      return new Response();
    },
  );
}

async function runTelemetry({ against, rounds = 41 }: BenchFlags): Promise<number> {
  await using server = await openServer();
  await using sink = openSink();
  await using stack = new AsyncDisposableStack();
  console.log(`Deno ${Deno.version.deno}, ${rounds} rounds of ${ROUND_MS} ms`);
  const processes = new Map<string, LineProcess>();
  for (const [name, variant] of Object.entries(variants(against))) {
    const { folder, isExported, telemetry } = variant;
    const options = { url: server.url, databases: { main: {} }, telemetry };
    const endpoint = `http://127.0.0.1:${sink.addr.port}`;
    const process = await LineProcess.start({
      script: PROCESS,
      folder,
      args: [`file://${folder}mod.ts`, JSON.stringify(options)],
      env: isExported ? { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } : {},
    });
    processes.set(name, stack.use(process));
  }
  let missed = 0;
  for (const callers of CALLERS) {
    const series = await inTurns(
      [...processes.keys()],
      rounds,
      async (name) => Number(await processes.get(name)!.ask(`${callers} ${ROUND_MS}`)),
    );
    for (const [name, perSecond] of series) {
      const { median: ratio, spread } = ratioOf(perSecond, series.get("absent")!);
      if (name === "off" && ratio < BOUND) missed++;
      const [least, most] = spread.map((value) => value.toFixed(2));
      console.log(
        `GET C=${callers} ${name.padEnd(8)} ` +
          `${Math.round(median(perSecond)).toString().padStart(7)}/s ` +
          `${ratio.toFixed(3)}× of absent (${least} to ${most})`,
      );
    }
  }
  console.log(`off: at least ${BOUND}× ${missed > 0 ? "MISSED" : "holds"}`);
  return missed;
}

if (import.meta.main) await runProgram(runTelemetry);
