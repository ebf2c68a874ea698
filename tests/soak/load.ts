/** The mixed load of a soak on one database. */
import type { RedisClient, RedisConnectionManager } from "../../mod.ts";
import type { Random } from "../support/random.ts";
import { delay, within } from "../support/wait.ts";
import { type Books, deliveryOfAny } from "./books.ts";
import type { News } from "./news.ts";
import type { PromiseWatch } from "./promise_watch.ts";
import { CONSTANT_KEYS, constantKey, constantValue } from "./stage.ts";

/** Deadlines of the manager under test, in milliseconds. */
export const DEADLINES = { commandTimeoutMs: 1000, acquireTimeoutMs: 1500 } as const;
const { commandTimeoutMs: COMMAND_MS, acquireTimeoutMs: ACQUIRE_MS } = DEADLINES;
/** What BLPOP asks for, in seconds, and what it is allowed beyond that. */
const BLOCK_SECONDS = 0.2;
const BLOCK_MS = BLOCK_SECONDS * 1000 + 1000;
/** Pause of a caller between two operations. */
const PAUSE_MS = 4;
/** By when everything under way has settled, or never will: more than any deadline. */
const SETTLED_MS = 10_000;
const COUNTERS = 4;
const PIPELINED = 3;

/** What the callers of one database share. */
export interface LoadParts {
  readonly database: string;
  readonly manager: RedisConnectionManager;
  readonly watch: PromiseWatch;
  readonly random: Random;
  readonly news: News;
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
  PUBLISH: { callers: 1, run: (load) => load.publish() },
};

/** Callers of every kind, until they are stopped. */
export class Load {
  /** Operations so far, by kind. */
  readonly counts: Record<string, number> = {};
  /** When an operation succeeded last, on the clock of `performance.now()`. */
  lastSuccessAt = 0;
  readonly #parts: LoadParts;
  readonly #client: RedisClient;
  #books: Books;
  /** Operations under way that write in the books of the hour. */
  #writing = new Set<Promise<unknown>>();
  #running = true;
  #callers: Promise<unknown>[] = [];

  /** Starts nothing yet. */
  constructor(parts: LoadParts, books: Books) {
    this.#parts = parts;
    this.#client = parts.manager.getClient(parts.database);
    this.#books = books;
  }

  /** Lets the callers begin. */
  start(): void {
    for (const [kind, { callers, run }] of Object.entries(KINDS)) {
      for (let i = 0; i < callers; i++) this.#callers.push(this.#loop(kind, run));
    }
  }

  /** Writes in other books from now on; resolves with the old ones when they are whole. */
  async turnPage(books: Books): Promise<Books> {
    const old = this.#books;
    const writing = this.#writing;
    this.#books = books;
    this.#writing = new Set();
    await settled(writing);
    return old;
  }

  /** Lets the callers finish what they do, and no more. */
  async stop(): Promise<void> {
    this.#running = false;
    await settled(this.#callers);
  }

  async #loop(kind: string, run: Kind["run"]): Promise<void> {
    while (this.#running) {
      const work = this.#once(kind, run);
      this.#writing.add(work);
      const writing = this.#writing;
      await work;
      writing.delete(work);
      await delay(PAUSE_MS);
    }
  }

  async #once(kind: string, run: Kind["run"]): Promise<void> {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    try {
      const outcome = await run(this);
      if (outcome === "acknowledged") this.lastSuccessAt = performance.now();
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
    return this.#books.count(
      this.#counter(),
      (key) => this.#run("INCR", COMMAND_MS, () => this.#client.incr(key)),
    );
  }

  async read(): Promise<unknown> {
    const i = this.#parts.random.below(CONSTANT_KEYS);
    const value = await this.#run(
      "GET",
      COMMAND_MS,
      () => this.#client.get(constantKey(i)),
    );
    if (value !== constantValue(i)) {
      this.#parts.wrong(`GET ${constantKey(i)} gave ${Deno.inspect(value)}`);
    }
    return "acknowledged";
  }

  append(): Promise<unknown> {
    return this.#books.append((key, token) =>
      this.#run("RPUSH", COMMAND_MS, () => this.#client.rpush(key, token))
    );
  }

  async pipeline(): Promise<unknown> {
    const { manager, database } = this.#parts;
    const books = this.#books;
    const results = await this.#run(
      "a pipeline",
      COMMAND_MS,
      () =>
        manager.pipeline(database, (pipeline) => {
          for (let i = 0; i < PIPELINED; i++) pipeline.incr(books.key("piped"));
        }, { settle: true }),
    );
    for (const result of results) {
      books.record("piped", result.ok ? "acknowledged" : result.delivery);
    }
    return results.every(({ ok }) => ok) ? "acknowledged" : "failed";
  }

  transaction(): Promise<unknown> {
    const { manager, database } = this.#parts;
    return this.#books.count("both", (key) =>
      this.#run(
        "a transaction",
        ACQUIRE_MS + COMMAND_MS,
        () => manager.transaction(database, (tx) => void tx.incr(key).incr(key)),
      ), 2);
  }

  async lease(): Promise<unknown> {
    const { manager, database } = this.#parts;
    const lease = await this.#run(
      "an acquire",
      ACQUIRE_MS,
      () => manager.acquire(database),
    );
    try {
      return await this.#books.count(
        "leased",
        (key) => this.#run("a lease's INCR", COMMAND_MS, () => lease.client.incr(key)),
      );
    } finally {
      lease.release();
    }
  }

  push(): Promise<unknown> {
    return this.#books.push((key, token) =>
      this.#run("a job's RPUSH", COMMAND_MS, () => this.#client.rpush(key, token))
    );
  }

  pop(): Promise<unknown> {
    // A connection may have to be waited for twice: what is refused for now is tried again.
    return this.#books.pop(async (key) => {
      const popped = await this.#run(
        "BLPOP",
        2 * ACQUIRE_MS + BLOCK_MS,
        () => this.#client.blpop(key, BLOCK_SECONDS),
      );
      return popped?.[1] ?? null;
    });
  }

  async publish(): Promise<unknown> {
    const { news } = this.#parts;
    await news.publish((text) =>
      this.#run("PUBLISH", COMMAND_MS, () => this.#client.publish("news", text))
    );
    return "acknowledged";
  }
}

/** Waits for what settles; what never does is found by the books and the watch. */
async function settled(work: Iterable<Promise<unknown>>): Promise<void> {
  await within(Promise.all(work), SETTLED_MS, "What was under way").catch((error) => {
    if (!(error instanceof Deno.errors.TimedOut)) throw error;
  });
}
