/**
 * A client that does what its input says, line by line, and answers with a line of JSON.
 * `burst N`: N INCRs at once, with a line more when they are sent. `one COMMAND`: one
 * command. `stats`: the statistics.
 */
import { RedisConnectionManager } from "../../../mod.ts";

const [port, commandTimeoutMs] = Deno.args.map(Number);
const manager = new RedisConnectionManager({
  host: "127.0.0.1",
  port: port!,
  commandTimeoutMs: commandTimeoutMs!,
  connectRetry: { attempts: 20, minMs: 20, maxMs: 100 },
  databases: { main: { db: 0 } },
});
const client = await manager.main();

async function outcome(promise: Promise<unknown>): Promise<string> {
  const start = performance.now();
  const told = await promise.then(
    () => "ok",
    (e: { code?: string; delivery?: string }) => `${e.code}/${e.delivery}`,
  );
  return `${told} ${Math.round(performance.now() - start)}`;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function answer(line: string): Promise<unknown> {
  const [verb, argument] = line.split(" ");
  switch (verb) {
    case "burst": {
      const count = Number(argument);
      const told = Array.from({ length: count }, () => outcome(client.incr("n")));
      await until(() => manager.getPoolStatistics("main").inFlight === count);
      // The coalescer has written them by then.
      await new Promise((resolve) => setTimeout(resolve, 1));
      console.log("sent");
      return await Promise.all(told);
    }
    case "one":
      return await outcome(client.call(argument!, "n"));
    default:
      return manager.getStatistics().databaseStats.main;
  }
}

console.log("ready");
let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) console.log(JSON.stringify(await answer(line)));
}
