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
import { RedisServer } from "../src/testing/redis_server.ts";
import { median } from "./speed/load.ts";
import { TelemetryMember, type Variant } from "./telemetry/member.ts";

/** Least share of the throughput that a manager keeps that reports nothing. */
const BOUND = 0.98;
const CONCURRENCIES = [1, 64];
/** Short, and many of them: what disturbs the machine then disturbs neighbours alike. */
const ROUND_MS = 100;
const HERE = new URL("../", import.meta.url).pathname;

const absent: Variant = { name: "absent", folder: HERE, isExported: false };
const of = (name: string, telemetry: Variant["telemetry"]): Variant => ({
  name,
  folder: HERE,
  isExported: true,
  telemetry,
});

function variants(against: string | undefined): Variant[] {
  const other = { name: "against", isExported: false };
  return [
    absent,
    ...against === undefined ? [] : [{ ...other, folder: `${against}/` }],
    of("off", false),
    of("metrics", { spans: false }),
    of("spans", { metrics: false }),
    of("on", true),
  ];
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

/** Commands a second of each member, round by round. */
async function runRounds(
  members: readonly TelemetryMember[],
  concurrency: number,
  rounds: number,
): Promise<Map<string, number[]>> {
  const series = new Map(members.map(({ name }) => [name, [] as number[]]));
  for (const member of members) await member.run(concurrency, ROUND_MS);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < members.length; i++) {
      const member = members[(i + round) % members.length]!;
      series.get(member.name)!.push(await member.run(concurrency, ROUND_MS));
    }
  }
  return series;
}

/** Prints one row for each member; gives the ratio of the one that is off. */
function print(series: Map<string, number[]>, concurrency: number): number {
  const base = series.get("absent")!;
  let off = NaN;
  for (const [name, perSecond] of series) {
    const ratios = perSecond.map((value, i) => value / base[i]!);
    const ratio = median(ratios);
    if (name === "off") off = ratio;
    const least = Math.min(...ratios).toFixed(2);
    const most = Math.max(...ratios).toFixed(2);
    console.log(
      `GET C=${concurrency} ${name.padEnd(8)} ` +
        `${Math.round(median(perSecond)).toString().padStart(7)}/s ` +
        `${ratio.toFixed(3)}× of absent (${least} to ${most})`,
    );
  }
  return off;
}

function valueOf(flag: string): string | undefined {
  const at = Deno.args.indexOf(flag);
  return at < 0 ? undefined : Deno.args[at + 1];
}

if (import.meta.main) {
  const rounds = Number(valueOf("--rounds") ?? 41);
  const named = Deno.env.get("REDIS_URL");
  await using server = named === undefined ? await RedisServer.start() : undefined;
  await using sink = openSink();
  const url = named ?? server!.url;
  const against = valueOf("--against");
  console.log(`Deno ${Deno.version.deno}, ${rounds} rounds of ${ROUND_MS} ms`);
  const members: TelemetryMember[] = [];
  for (const variant of variants(against)) {
    members.push(await TelemetryMember.open(variant, url, sink.addr.port));
  }
  const offs: number[] = [];
  for (const concurrency of CONCURRENCIES) {
    offs.push(print(await runRounds(members, concurrency, rounds), concurrency));
  }
  for (const member of members) await member.close();
  const missed = offs.some((ratio) => ratio < BOUND);
  console.log(`off: at least ${BOUND}× ${missed ? "MISSED" : "holds"}`);
  if (Deno.args.includes("--check") && missed) Deno.exitCode = 1;
}
