/**
 * Random mixes of commands give the same replies through the manager as through plain
 * ioredis, in the same order. `MOORING_PROPERTY_SEED` runs another seed,
 * `MOORING_PROPERTY_COMMANDS` another number of commands than 30,000.
 */
import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { Redis } from "ioredis";
import { RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";

const SEED = Number(Deno.env.get("MOORING_PROPERTY_SEED") ?? 20261123);
const COMMANDS = Number(Deno.env.get("MOORING_PROPERTY_COMMANDS") ?? 30_000);
/** Most commands of one tick. */
const MAX_BATCH = 200;
const MAX_BYTES = 8 * 1024 * 1024;
/** Bytes of one tick's values, so that both clients' copies stay small. */
const MAX_TICK_BYTES = 24 * 1024 * 1024;

type Arg = string | Buffer | number;
/** A command, or several of them to be sent as one pipeline or transaction. */
type Step =
  | { kind: "one"; name: string; args: Arg[]; buffer: boolean }
  | { kind: "pipeline" | "multi"; commands: [string, ...Arg[]][] };

/** Xorshift: the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

class Generator {
  readonly #random: () => number;
  bytes = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  int(below: number): number {
    return Math.floor(this.#random() * below);
  }

  #key(): string {
    return `k${this.int(40)}`;
  }

  /** Mostly small, from 0 B on; sometimes up to 8 MiB. */
  #value(): Arg {
    const isHuge = this.int(4000) === 0;
    const room = Math.min(MAX_TICK_BYTES - this.bytes, MAX_BYTES);
    const length = isHuge
      ? Math.max(0, this.int(room))
      : Math.floor(this.#random() ** 6 * 5000);
    this.bytes += length;
    const byte = this.int(256);
    if (this.int(3) === 0) return Buffer.alloc(length, byte);
    return (byte < 128 ? String.fromCharCode(byte) : "é€😀"[byte % 3]!).repeat(length);
  }

  command(): [string, ...Arg[]] {
    const key = this.#key();
    const choices: (() => [string, ...Arg[]])[] = [
      () => ["set", key, this.#value()],
      () => ["get", key],
      () => ["append", key, this.#value()],
      () => ["strlen", key],
      () => ["incr", key],
      () => ["lpush", `l${key}`, this.#value()],
      () => ["lrange", `l${key}`, 0, this.int(5)],
      () => ["ltrim", `l${key}`, 0, 4],
      () => ["hset", `h${key}`, `f${this.int(5)}`, this.#value()],
      () => ["hgetall", `h${key}`],
      () => ["mget", key, this.#key(), "none"],
      () => ["del", key],
      () => ["del", `l${key}`, `h${key}`],
      () => ["sadd", `s${key}`, this.int(9)],
      () => ["scard", `s${key}`],
      () => ["lpop", key],
      () => ["setrange", key, -1, "x"],
      () => ["zadd", `z${key}`, this.#random(), `m${this.int(4)}`],
      () => ["zscore", `z${key}`, `m${this.int(4)}`],
      () => ["exists", key],
      () => ["echo", this.#value()],
    ];
    return choices[this.int(choices.length)]!();
  }

  step(): Step {
    const kind = this.int(20);
    if (kind < 2) {
      const commands = Array.from({ length: 1 + this.int(8) }, () => this.command());
      return { kind: kind === 0 ? "pipeline" : "multi", commands };
    }
    const [name, ...args] = this.command();
    return { kind: "one", name, args, buffer: this.int(3) === 0 };
  }
}

/** A reply as something that can be compared: errors by their text. */
function plainly(reply: unknown): unknown {
  if (reply instanceof Error) return `error: ${reply.message}`;
  if (Array.isArray(reply)) return reply.map(plainly);
  return reply;
}

/** Starts a step; settles with what can be compared. */
function start(redis: Redis, step: Step): Promise<unknown> {
  const methods = redis as unknown as Record<
    string,
    (...args: Arg[]) => Promise<unknown>
  >;
  const run = () => {
    if (step.kind !== "one") return redis[step.kind](step.commands).exec();
    return methods[step.buffer ? `${step.name}Buffer` : step.name]!(...step.args);
  };
  return run().then(plainly, plainly);
}

/** Runs the steps of one tick at once; gives the replies and the order they came in. */
async function runTick(redis: Redis, steps: readonly Step[]) {
  const order: number[] = [];
  const replies = await Promise.all(steps.map(async (step, i) => {
    const reply = await start(redis, step);
    if (step.kind === "one") order.push(i);
    return reply;
  }));
  return { replies, order };
}

/** Compares without a diff of megabytes. */
function assertSame(mine: unknown, theirs: unknown, step: Step): void {
  try {
    assertEquals(mine, theirs);
  } catch {
    throw new Error(`Other replies to ${Deno.inspect(step).slice(0, 300)}`);
  }
}

for (const transport of ["node", "deno"] as const) {
  Deno.test(`RedisClient over transport ${transport} replies as plain ioredis does to ${COMMANDS} random commands (seed ${SEED})`, async () => {
    await using server = await RedisServer.start();
    const { host, port } = server;
    await using manager = new RedisConnectionManager({
      host,
      port,
      transport,
      commandTimeoutMs: 30_000,
      databases: { main: { db: 0 } },
    });
    const client = manager.getClient("main");
    const plain = new Redis({ host, port, db: 1 });
    const generator = new Generator(randomFrom(SEED));
    let done = 0;
    while (done < COMMANDS) {
      generator.bytes = 0;
      const steps = Array.from(
        { length: 1 + generator.int(MAX_BATCH) },
        () => generator.step(),
      );
      const [mine, theirs] = await Promise.all([
        runTick(client, steps),
        runTick(plain, steps),
      ]);
      steps.forEach((step, i) => assertSame(mine.replies[i], theirs.replies[i], step));
      assertEquals(mine.order, mine.order.toSorted((a, b) => a - b));
      for (const step of steps) done += step.kind === "one" ? 1 : step.commands.length;
    }
    await plain.quit();
  });
}
