/** Garbage in place of replies. */
import { assert, assertEquals } from "@std/assert";
import {
  type ManagerOptions,
  type RedisConnectionManager,
  RedisManagerError,
} from "../../../mod.ts";
import { ReplyGuard } from "../../../src/transport/reply_guard.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { Random } from "../../support/random.ts";
import { onStage } from "./_stage.ts";

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

/** Not of the process, which other tests share. */
function memory(): number {
  const { heapTotal, external } = Deno.memoryUsage();
  return heapTotal + external;
}

/** What a number of cases came to. */
export interface GarbageFindings {
  /** Cases that were refused with a ProtocolError. */
  readonly refused: number;
  /** What the heap and the buffers of this isolate need more than before, in MiB. */
  readonly grownMiB: number;
}

/** Has a server answer so many commands with garbage; whatever is wrong is thrown. */
export async function answerWithGarbage(
  cases: number,
  seed: number,
): Promise<GarbageFindings> {
  const random = new Random(seed);
  const answers = new Map<string, Uint8Array>();
  // SET is answered with garbage, everything else by the server.
  const script = ([name, key]: string[]) =>
    name?.toLowerCase() === "set" ? answers.get(key!) : undefined;
  let findings: GarbageFindings | undefined;
  await onStage({ manager: SETTINGS, relay: { script } }, async ({ manager, relay }) => {
    const codes = new Map<string, number>();
    let left = cases;
    const work = async (database: string) => {
      const client = manager.getClient(database);
      while (left > 0) {
        const key = `k${left--}`;
        answers.set(key, garbage(random));
        const code = await client.set(key, "v").then(() => "ok", codeOf);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        answers.delete(key);
        // Until the connection ends, what comes late looks like what is owed next; where it
        // answered others meanwhile, it does not end, and nothing tells the replies apart.
        if (code === "COMMAND_TIMEOUT") {
          await delay(50);
          if (manager.getPoolStatistics(database).inFlight > 0) relay.reset();
        }
        // What comes next is never a stranger's reply; the end of the connection may take
        // it along, and then it says so.
        const echoed = await client.echo(key).catch((error) => error);
        if (!(echoed instanceof RedisManagerError)) assertEquals(echoed, key);
      }
    };
    await manager.initializeAll();
    const before = memory();
    await Promise.all(DATABASES.map(work));
    const grownMiB = (memory() - before) / 1024 ** 2;
    const refused = codes.get("PROTOCOL") ?? 0;
    assert(refused > cases / 4, Deno.inspect(codes));
    assert(grownMiB < 600, `${grownMiB} MiB more`);
    await assertServed(manager);
    findings = { refused, grownMiB };
  });
  return findings!;
}

/** Every database serves at the end, and has nothing left in flight. */
async function assertServed(manager: RedisConnectionManager): Promise<void> {
  await delay(50);
  for (const database of DATABASES) {
    const client = manager.getClient(database);
    const last = await waitFor(() => client.echo("at the end"), { what: database });
    assertEquals(last, "at the end");
    assertEquals(manager.getPoolStatistics(database).inFlight, 0);
  }
}

function codeOf(error: Error): string {
  return error instanceof RedisManagerError ? error.code : error.name;
}
