/** The mixed load of a soak on one database. */
import type { RedisClient, RedisConnectionManager } from "../../mod.ts";
import { delay, within } from "../../src/testing/wait.ts";
import type { Random } from "../support/random.ts";
import type { PromiseWatch } from "./promise_watch.ts";
import type { PubSubChecker } from "./pubsub_checker.ts";
import { CONSTANT_KEYS, constantKey, constantValue } from "./stage.ts";
import { deliveryOfAny, type WriteLedger } from "./write_ledger.ts";

/** What BLPOP asks for, in seconds, and what it is allowed beyond that. */
const BLOCK_SECONDS = 0.2;
const BLOCK_MS = BLOCK_SECONDS * 1000 + 1000;
/** How long the server may be asked what an aborted command has taken. */
const ABORT_MS = 1000;
/** When BLPOP is aborted at the latest. */
const MOST_BLOCKED_MS = 100;
/** Aborts in quick succession, each of so many commands. */
const ABORTS = 100;
const ABORTED_AT_ONCE = 3;
/** Leases that are idle together. */
const IDLE_LEASES = 8;
/** Pause of a caller between two operations. */
const PAUSE_MS = 4;
/** By when everything under way has settled, or never will: more than any deadline. */
const SETTLED_MS = 60_000;
const COUNTERS = 4;
const PIPELINED = 3;

/** What the callers of one database share. */
export interface LoadParts {
  readonly database: string;
  readonly manager: RedisConnectionManager;
  readonly watch: PromiseWatch;
  readonly random: Random;
  readonly pubsub: PubSubChecker;
  /** Takes what no caller should ever see, in words. */
  readonly wrong: (what: string) => void;
}

/** Operations by kind, and how many callers each has. */
type Kind = { readonly callers: number; readonly run: (load: Load) => Promise<unknown> };

const KINDS: Readonly<Record<string, Kind>> = {
  INCR: { callers: 6, run: (load) => load.increment() },
  GET: { callers: 4, run: (load) => load.read() },
  RPUSH: { callers: 3, run: (load) => load.append() },
  pipeline: { callers: 2, run: (load) => load.pipeline() },
  transaction: { callers: 2, run: (load) => load.transaction() },
  lease: { callers: 2, run: (load) => load.lease() },
  job: { callers: 1, run: (load) => load.push() },
  BLPOP: { callers: 2, run: (load) => load.pop() },
  "aborted BLPOP": { callers: 1, run: (load) => load.abortedPop() },
  PUBLISH: { callers: 1, run: (load) => load.publish() },
};

/** Callers of every kind, until they are stopped. */
export class Load {
  /** Operations so far, by kind. */
  readonly counts: Record<string, number> = {};
  /** The first success since somebody asked for one, and since when. */
  #success: { readonly since: number; at: number | undefined } = { since: 0, at: 0 };
  readonly #parts: LoadParts;
  readonly #client: RedisClient;
  /** Deadlines of a command and of the wait for a connection, in milliseconds. */
  readonly #commandMs: number;
  readonly #acquireMs: number;
  #ledger: WriteLedger;
  /** Operations under way that write into the current ledger. */
  #writing = new Set<Promise<unknown>>();
  #running = true;
  #callers: Promise<unknown>[] = [];

  /** Starts nothing yet. */
  constructor(parts: LoadParts, ledger: WriteLedger) {
    this.#parts = parts;
    const { manager, database } = parts;
    this.#client = manager.getClient(database);
    const config = manager.config.databases[database]!;
    this.#commandMs = config.commandTimeoutMs;
    this.#acquireMs = config.acquireTimeoutMs;
    this.#ledger = ledger;
  }

  /** Lets the callers begin. */
  start(): void {
    for (const [kind, { callers, run }] of Object.entries(KINDS)) {
      for (let i = 0; i < callers; i++) this.#callers.push(this.#loop(kind, run));
    }
  }

  /** Writes into another ledger from now on; resolves with the old one when it is complete. */
  async switchLedger(ledger: WriteLedger): Promise<WriteLedger> {
    const old = this.#ledger;
    const writing = this.#writing;
    this.#ledger = ledger;
    this.#writing = new Set();
    await settled(writing);
    return old;
  }

  /**
   * When an operation succeeded for the first time after `since`, both on the clock of
   * `performance.now()`; `undefined` if none has, since this was asked first.
   */
  firstSuccessAfter(since: number): number | undefined {
    if (this.#success.since !== since) this.#success = { since, at: undefined };
    return this.#success.at;
  }

  /** Lets the callers finish what they do, and no more. */
  async stop(): Promise<void> {
    this.#running = false;
    await settled(this.#callers);
  }

  async #loop(kind: string, run: Kind["run"]): Promise<void> {
    while (this.#running) {
      await this.#writes(this.#once(kind, run));
      await delay(PAUSE_MS);
    }
  }

  /** Tracks work that writes into the current ledger, until it is over. */
  async #writes(work: Promise<void>): Promise<void> {
    const writing = this.#writing;
    writing.add(work);
    await work;
    writing.delete(work);
  }

  async #once(kind: string, run: Kind["run"]): Promise<void> {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    try {
      const outcome = await run(this);
      if (outcome === "acknowledged") this.#success.at ??= performance.now();
    } catch (error) {
      // Every failure that says what is known of it is an answer.
      try {
        deliveryOfAny(error);
      } catch {
        this.#parts.wrong(`${kind}: ${Deno.inspect(error)}`);
      }
    }
  }

  #run<T>(what: string, boundMs: number, make: () => Promise<T>): Promise<T> {
    const { database, watch } = this.#parts;
    return watch.run(`${what} on ${database}`, boundMs, make);
  }

  #counter(): string {
    return `n${this.#parts.random.below(COUNTERS)}`;
  }

  increment(): Promise<unknown> {
    return this.#ledger.count(
      this.#counter(),
      (key) => this.#run("INCR", this.#commandMs, () => this.#client.incr(key)),
    );
  }

  async read(): Promise<unknown> {
    const i = this.#parts.random.below(CONSTANT_KEYS);
    const value = await this.#run(
      "GET",
      this.#commandMs,
      () => this.#client.get(constantKey(i)),
    );
    if (value !== constantValue(i)) {
      this.#parts.wrong(`GET ${constantKey(i)} gave ${Deno.inspect(value)}`);
    }
    return "acknowledged";
  }

  append(): Promise<unknown> {
    return this.#ledger.append((key, token) =>
      this.#run("RPUSH", this.#commandMs, () => this.#client.rpush(key, token))
    );
  }

  async pipeline(): Promise<unknown> {
    const { manager, database } = this.#parts;
    const ledger = this.#ledger;
    const results = await this.#run(
      "a pipeline",
      this.#commandMs,
      () =>
        manager.pipeline(database, (pipeline) => {
          for (let i = 0; i < PIPELINED; i++) pipeline.incr(ledger.key("piped"));
        }, { settle: true }),
    );
    for (const result of results) {
      ledger.record("piped", result.ok ? "acknowledged" : result.delivery);
    }
    return results.every(({ ok }) => ok) ? "acknowledged" : "failed";
  }

  transaction(): Promise<unknown> {
    const { manager, database } = this.#parts;
    return this.#ledger.count("both", (key) =>
      this.#run(
        "a transaction",
        this.#acquireMs + this.#commandMs,
        () => manager.transaction(database, (tx) => void tx.incr(key).incr(key)),
      ), 2);
  }

  async lease(): Promise<unknown> {
    const { manager, database } = this.#parts;
    const lease = await this.#run(
      "an acquire",
      this.#acquireMs,
      () => manager.acquire(database),
    );
    try {
      return await this.#ledger.count(
        "leased",
        (key) =>
          this.#run("a lease's INCR", this.#commandMs, () => lease.client.incr(key)),
      );
    } finally {
      lease.release();
    }
  }

  push(): Promise<unknown> {
    return this.#ledger.push((key, token) =>
      this.#run("a job's RPUSH", this.#commandMs, () => this.#client.rpush(key, token))
    );
  }

  pop(): Promise<unknown> {
    return this.#ledger.pop((key) => this.#blpop(this.#client, key, BLOCK_MS));
  }

  /** A BLPOP that is aborted soon, whether its value has come or not. */
  async abortedPop(ms: number = this.#parts.random.below(MOST_BLOCKED_MS)) {
    const stop = new AbortController();
    const { signal } = stop;
    const client = this.#client.with({ signal });
    const popping = this.#ledger.pop(
      (key) => this.#blpop(client, key, BLOCK_MS + ABORT_MS),
      signal,
    );
    await delay(ms);
    stop.abort();
    return await popping;
  }

  /** Many BLPOPs are aborted in the very moment in which their values are pushed. */
  async abortPops(random: Random): Promise<void> {
    for (let i = 0; i < ABORTS; i++) {
      const work = Array.from({ length: ABORTED_AT_ONCE }, async () => {
        const ms = random.below(10);
        const popping = this.#once("aborted BLPOP", () => this.abortedPop(ms));
        await delay(Math.max(0, ms - random.below(3)));
        await Promise.all([popping, this.#once("job", () => this.push())]);
      });
      for (const each of work) this.#writes(each);
      await Promise.all(work);
    }
  }

  /** Leaves connections idle that were needed at the same time. */
  async leaveIdle(): Promise<void> {
    const { manager, database } = this.#parts;
    const acquired = await Promise.allSettled(
      Array.from({ length: IDLE_LEASES }, () => manager.acquire(database)),
    );
    for (const each of acquired) {
      if (each.status === "fulfilled") each.value.release();
    }
  }

  async #blpop(
    client: Pick<RedisClient, "blpop">,
    key: string,
    blockMs: number,
  ): Promise<string | null> {
    // A connection may have to be waited for twice: what is refused for now is tried again.
    const boundMs = 2 * this.#acquireMs + blockMs;
    const make = () => client.blpop(key, BLOCK_SECONDS);
    return (await this.#run("BLPOP", boundMs, make))?.[1] ?? null;
  }

  async publish(): Promise<unknown> {
    const { pubsub } = this.#parts;
    await pubsub.publish((text) =>
      this.#run("PUBLISH", this.#commandMs, () => this.#client.publish("news", text))
    );
    return "acknowledged";
  }
}

/** Waits for what settles; what never does is found by the ledger and the watch. */
async function settled(work: Iterable<Promise<unknown>>): Promise<void> {
  await within(Promise.all(work), SETTLED_MS, "What was under way").catch((error) => {
    if (!(error instanceof Deno.errors.TimedOut)) throw error;
  });
}
