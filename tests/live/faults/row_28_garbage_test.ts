import { assert, assertEquals } from "@std/assert";
import { type ManagerOptions, RedisManagerError } from "../../../mod.ts";
import { ReplyGuard } from "../../../src/transport/reply_guard.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { Random } from "../../support/random.ts";
import { report } from "./_report.ts";
import { IS_FULL, onStage } from "./_stage.ts";

// Deno 2.5 slows down with each socket that was destroyed: 2,000 take it minutes.
const FEWER = Deno.version.deno.startsWith("2.5.");
const MOST = IS_FULL ? 10_000 : 2000;
const CASES = Number(Deno.env.get("MOORING_FAULT_CASES") ?? (FEWER ? 200 : MOST));
const SEED = Number(Deno.env.get("MOORING_FAULT_SEED") ?? 20_261);

const HOSTILE = [
  "$999999999999\r\n",
  "*-7\r\n",
  ":NaN\r\n",
  ":12a\r\n",
  "$-2\r\n",
  "*1\r\n".repeat(10_000),
  "%1\r\n*1\r\n+a\r\n+b\r\n",
  ">1\r\n_\r\n",
  ">0\r\n",
  "|1\r\n+a\r\n+b\r\n+OK\r\n",
  "?\r\n",
  "HTTP/1.1 400 Bad Request\r\n\r\n",
  "\x00\x01\x02\x03",
  "\r\n",
  "=3\r\nabc\r\n",
  "#x\r\n",
  ",1.2.3\r\n",
  "(12x\r\n",
  "_x\r\n",
  "+OK\r\n+OK\r\n",
  "+OK\r\n-",
  "$3\r\nabcdef",
  "*2\r\n>1\r\n+a\r\n+b\r\n",
  ">3\r\n+subscribe\r\n+c\r\n:1\r\n",
];

const VALID = ["+OK\r\n", "$5\r\nhello\r\n", ":12\r\n", "*2\r\n+a\r\n:1\r\n", "_\r\n"];

const encoder = new TextEncoder();

/** One case; the beginning of a reply that never ends, which takes a deadline, is rare. */
function garbage(random: Random): Uint8Array {
  while (true) {
    const bytes = anyGarbage(random);
    const guard = new ReplyGuard();
    if (
      typeof guard.scan(bytes) !== "number" || !guard.isPartial || random.below(20) === 0
    ) {
      return bytes;
    }
  }
}

function anyGarbage(random: Random): Uint8Array {
  switch (random.below(3)) {
    case 0: {
      const bytes = new Uint8Array(1 + random.below(64));
      for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
      return bytes;
    }
    case 1: {
      const bytes = encoder.encode(VALID[random.below(VALID.length)]!);
      bytes[random.below(bytes.length)] = random.below(256);
      return bytes;
    }
    default:
      return encoder.encode(HOSTILE[random.below(HOSTILE.length)]!);
  }
}

/** Databases that take the cases in turn, all at the same time. */
const DATABASES = Array.from({ length: 8 }, (_, i) => `d${i}`);

const SETTINGS: ManagerOptions = {
  commandTimeoutMs: 1000,
  connectTimeoutMs: 2000,
  circuitBreakerThreshold: 1_000_000,
  databases: Object.fromEntries(DATABASES.map((name) => [name, { db: 0 }])),
};

Deno.test(`row 28: ${CASES} times garbage for a reply, seed ${SEED}`, () => {
  const random = new Random(SEED);
  const answers = new Map<string, Uint8Array>();
  // SET is answered with garbage, everything else by the server.
  const script = ([name, key]: string[]) =>
    name?.toLowerCase() === "set" ? answers.get(key!) : undefined;
  return onStage({ manager: SETTINGS, relay: { script } }, async ({ manager }) => {
    const codes = new Map<string, number>();
    let left = CASES;
    const work = async (database: string) => {
      const client = manager.getClient(database);
      while (left > 0) {
        const key = `k${left--}`;
        answers.set(key, garbage(random));
        const code = await client.set(key, "v").then(() => "ok", codeOf);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        answers.delete(key);
        // Until the connection ends, what comes late looks like what is owed next.
        if (code === "COMMAND_TIMEOUT") await delay(50);
        // What comes next is never a stranger's reply; the end of the connection may take
        // it along, and then it says so.
        const echoed = await client.echo(key).catch((error) => error);
        if (!(echoed instanceof RedisManagerError)) assertEquals(echoed, key);
      }
    };
    await manager.initializeAll();
    const before = Deno.memoryUsage().rss;
    await Promise.all(DATABASES.map(work));
    const grownMiB = (Deno.memoryUsage().rss - before) / 1024 ** 2;
    const refused = codes.get("PROTOCOL") ?? 0;
    assert(refused > CASES / 4, Deno.inspect(codes));
    assert(grownMiB < 600, `${grownMiB} MiB more`);
    await delay(50);
    for (const database of DATABASES) {
      const client = manager.getClient(database);
      const last = await waitFor(() => client.echo("at the end"), { what: database });
      assertEquals(last, "at the end");
      assertEquals(manager.getPoolStatistics(database).inFlight, 0);
    }
    await report({
      row: 28,
      fault: "garbage from the server",
      outcome: `${CASES} cases, ${refused} ProtocolErrors, ` +
        `${Math.max(0, Math.round(grownMiB))} MiB more`,
    });
  });
});

function codeOf(error: Error): string {
  return error instanceof RedisManagerError ? error.code : error.name;
}
