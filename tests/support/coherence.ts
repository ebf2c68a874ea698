/**
 * Checks that near caches are coherent: writers change keys, readers read them by near
 * caches, and each read is compared with what was known when it was made. Used by the
 * live tests, and for long by `tests/soak/near_cache.ts`.
 *
 * @module
 */
import { type ManagerOptions, RedisConnectionManager } from "../../mod.ts";
import type { RedisServer } from "../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../src/testing/wait.ts";
import { seeded } from "../unit/transport/reply_streams.ts";

/** What the keys of one kind are, and how a version is written and read. */
interface Kind {
  /** Sets the version of KEYS[1] to ARGV[1], unless it has a later one. */
  readonly lua: string;
  /** The calls that read it, and the version in the reply. */
  readonly reads: readonly [name: string, args: readonly string[], pick: Pick][];
}

type Pick = (reply: unknown) => unknown;

const itself: Pick = (reply) => reply;
/** GETRANGE gives an empty text where there is nothing. */
const orNull: Pick = (reply) => reply || null;
const first: Pick = (reply) => (reply as unknown[])[0];

const KINDS: readonly Kind[] = [
  {
    lua: "if (tonumber(redis.call('get', KEYS[1]) or 0)) < tonumber(ARGV[1]) then " +
      "redis.call('set', KEYS[1], ARGV[1]) end return 1",
    reads: [["get", [], itself], ["mget", [], first], ["getrange", ["0", "-1"], orNull]],
  },
  {
    lua:
      "if (tonumber(redis.call('hget', KEYS[1], 'v') or 0)) < tonumber(ARGV[1]) then " +
      "redis.call('hset', KEYS[1], 'v', ARGV[1]) end return 1",
    reads: [
      ["hget", ["v"], itself],
      ["hgetall", [], (reply) => (reply as { v?: string }).v],
      ["hmget", ["v"], first],
    ],
  },
  {
    lua:
      "if (tonumber(redis.call('zscore', KEYS[1], 'v') or 0)) < tonumber(ARGV[1]) then " +
      "redis.call('zadd', KEYS[1], ARGV[1], 'v') end return 1",
    reads: [["zscore", ["v"], itself], [
      "zrange",
      ["0", "-1", "WITHSCORES"],
      (reply) => (reply as unknown[])[1],
    ]],
  },
];

/** What a checker has found. */
export interface CoherenceReport {
  reads: number;
  hits: number;
  writes: number;
  /** Writes of which it is not known whether they ran, or that failed. */
  failedWrites: number;
  failedReads: number;
  /** How often all was compared at rest. */
  rests: number;
  violations: string[];
}

/** How a checker runs. */
export interface CoherenceOptions {
  /** Settings of the readers' managers, one manager for each. */
  readonly readers: readonly ManagerOptions[];
  /** Settings of the managers of others, who write and have no cache. */
  readonly others: ManagerOptions;
  readonly seed: number;
  /** Whether keys are renamed, flushed and expire, and databases change. Default true. */
  readonly isStandalone?: boolean;
}

const KEYS = 24;

/** A key, and what is known of it. */
interface Key {
  readonly name: string;
  readonly kind: Kind;
  /** Whether one of its writes may still run: it is not written any more. */
  isDoubtful: boolean;
  /** The version that was written last. */
  version: number;
}

/** One manager that reads by a near cache. */
class Reader {
  readonly manager: RedisConnectionManager;
  /** The latest version that this manager has written, or a call of it has seen. */
  readonly floors = new Map<string, number>();

  constructor(options: ManagerOptions) {
    this.manager = new RedisConnectionManager(options);
  }

  floor(call: string): number {
    return this.floors.get(call) ?? 0;
  }

  raise(call: string, version: number): void {
    if (version > this.floor(call)) this.floors.set(call, version);
  }
}

/** Readers by one connection and several, by announcements of what was read and of all. */
export function readersOf(base: ManagerOptions): ManagerOptions[] {
  const nearCache = { maxEntries: 40, prefixes: [] as string[] };
  const databases = (more: ManagerOptions = {}) => ({
    near: { db: 0, nearCache, ...more },
    alias: { db: 0 },
  });
  return [
    { ...base, databases: databases() },
    { ...base, databases: databases({ maxLanes: 3, minConnections: 2 }) },
    {
      ...base,
      databases: databases({ nearCache: { maxEntries: 1000, prefixes: ["c:"] } }),
    },
  ];
}

/** While nobody writes: waits until the replicas have everything, so that none of it is lost
 * with the primary. */
export async function untilReplicated(
  primary: RedisServer,
  replicas: readonly RedisServer[],
): Promise<void> {
  await waitFor(async () => {
    const { master_repl_offset } = await primary.info("replication");
    const states = await Promise.all(replicas.map((each) => each.info("replication")));
    return states.every(({ master_link_status, slave_repl_offset }) =>
      master_link_status === "up" && slave_repl_offset === master_repl_offset
    );
  }, { what: "replicas that have everything" });
}

/** Runs writers and readers, and compares. */
export class CoherenceChecker implements AsyncDisposable {
  readonly report: CoherenceReport = {
    reads: 0,
    hits: 0,
    writes: 0,
    failedWrites: 0,
    failedReads: 0,
    rests: 0,
    violations: [],
  };
  readonly #readers: Reader[];
  readonly #others: RedisConnectionManager;
  readonly #random: () => number;
  readonly #isStandalone: boolean;
  #keys: Key[] = [];
  #made = 0;
  #version = 0;
  #isStopped = false;
  #isResting = false;
  /** Writes under way. */
  #writing = 0;
  readonly #tasks: Promise<void>[] = [];

  constructor({ isStandalone = true, others, readers, seed }: CoherenceOptions) {
    this.#readers = readers.map((options) => new Reader(options));
    this.#others = new RedisConnectionManager(others);
    this.#random = seeded(seed);
    this.#isStandalone = isStandalone;
    for (let i = 0; i < KEYS; i++) this.#makeKey();
  }

  /** Starts writers and readers. */
  start(writers = 6, readersEach = 6): void {
    for (let i = 0; i < writers; i++) this.#tasks.push(this.#write(i, writers));
    for (const reader of this.#readers) {
      for (let i = 0; i < readersEach; i++) this.#tasks.push(this.#read(reader));
    }
  }

  /** Lets all writes end and all announcements arrive, and compares every key with what the
   * server has. The servers must be well. */
  async rest(): Promise<void> {
    await this.hold();
    // What may still run, runs: the servers have read all that was sent before.
    await delay(300);
    for (const { manager } of this.#readers) {
      // The reply comes behind the announcements; by several connections a little later.
      await Promise.all(
        Array.from({ length: 64 }, () => manager.getClient("near").ping()),
      );
    }
    await delay(100);
    this.report.rests++;
    for (const key of this.#keys) {
      for (const [name, args, pick] of key.kind.reads) {
        const truth = pick(await this.#ask(this.#others, name, key.name, args));
        for (const [i, reader] of this.#readers.entries()) {
          const found = pick(await this.#ask(reader.manager, name, key.name, args));
          if (found === truth || (found ?? null) === (truth ?? null)) continue;
          this.report.violations.push(
            `at rest reader ${i}: ${name} ${key.name} gives ${found}, not ${truth}`,
          );
        }
      }
    }
    this.goOn();
  }

  /** Lets the writes under way end, and begins no others; reads go on. */
  async hold(): Promise<void> {
    this.#isResting = true;
    while (this.#writing > 0) await delay(1);
  }

  /** Writes again. */
  goOn(): void {
    this.#isResting = false;
  }

  /** Ends writers and readers. */
  async stop(): Promise<CoherenceReport> {
    this.#isStopped = true;
    await Promise.all(this.#tasks);
    this.report.hits = this.#readers.reduce((sum, { manager }) => {
      const { near } = manager.getStatistics().databaseStats;
      return sum + near!.nearCacheHits;
    }, 0);
    return this.report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#tasks);
    for (const { manager } of this.#readers) await manager.closeAll();
    await this.#others.closeAll();
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #makeKey(): Key {
    const kind = KINDS[this.#made % KINDS.length]!;
    const name = `c:${this.#made++}`;
    const key: Key = { name, kind, isDoubtful: false, version: 0 };
    this.#keys.push(key);
    return key;
  }

  #ask(
    manager: RedisConnectionManager,
    name: string,
    key: string,
    args: readonly string[],
  ): Promise<unknown> {
    return manager.getClient("near").call(name, key, ...args);
  }

  /** Writes the keys of one writer, one after the other: their versions only grow. */
  async #write(index: number, writers: number): Promise<void> {
    while (!this.#isStopped) {
      await delay(this.#below(4));
      if (this.#isResting) continue;
      const own = this.#keys.filter((_, i) => i % writers === index);
      const at = this.#below(own.length);
      const key = own[at]!;
      const version = ++this.#version;
      this.#writing++;
      try {
        await this.#change(key, version);
        this.report.writes++;
        key.version = version;
      } catch {
        this.report.failedWrites++;
        // It may run later: the key is left alone from now on.
        this.#keys[this.#keys.indexOf(key)] = this.#makeKey();
        this.#keys.pop();
      }
      this.#writing--;
    }
  }

  /** Changes a key in one of many ways. */
  async #change(key: Key, version: number): Promise<void> {
    const { kind: { lua }, name } = key;
    const others = this.#others;
    const reader = this.#readers[this.#below(this.#readers.length)]!;
    const own = reader.manager;
    const args = [1, name, version] as const;
    const ownWrite = () => {
      for (const [call] of key.kind.reads) reader.raise(`${call} ${name}`, version);
    };
    const ways: (() => Promise<unknown>)[] = [
      () => others.getClient("near").eval(lua, ...args),
      () => others.getClient("near").eval(lua, ...args),
      () => own.getClient("near").eval(lua, ...args).then(ownWrite),
      () => own.pipeline("near", (p) => void p.eval(lua, ...args)).then(ownWrite),
      () => own.transaction("near", (tx) => void tx.eval(lua, ...args)).then(ownWrite),
      async () => {
        await using lease = await own.acquire("near", { key: name });
        await lease.client.eval(lua, ...args);
        ownWrite();
      },
      () => own.getClient("alias").eval(lua, ...args).then(ownWrite),
      // Nothing is there for a moment: that is no old value.
      () => others.getClient("near").unlink(name),
      () => others.getClient("near").pexpire(name, 1 + this.#below(50)),
    ];
    if (this.#isStandalone) {
      ways.push(async () => {
        await using lease = await others.acquire("near");
        await lease.client.select(1);
        await lease.client.set(name, "-1");
        await lease.client.select(0);
        await lease.client.eval(lua, ...args);
      }, async () => {
        const next = `${name}:next`;
        await others.getClient("near").eval(lua, 1, next, version);
        await others.getClient("near").rename(next, name);
      }, async () => {
        if (this.#below(200) === 0) await others.getClient("near").flushall();
      });
    }
    await ways[this.#below(ways.length)]!();
  }

  async #read(reader: Reader): Promise<void> {
    const client = reader.manager.getClient("near");
    while (!this.#isStopped) {
      // A few keys are read most of the time.
      const key = this.#keys[Math.floor(this.#random() ** 2 * this.#keys.length)]!;
      const [name, args, pick] = key.kind.reads[this.#below(key.kind.reads.length)]!;
      const call = `${name} ${key.name}`;
      const how = this.#below(50);
      const floor = reader.floor(call);
      try {
        const options = how === 0 ? { fresh: true } : { timeoutMs: 4000 };
        const asking = how < 2 ? client.with(options) : client;
        const found = pick(await asking.call(name, key.name, ...args));
        this.report.reads++;
        if (found === null || found === undefined) continue;
        const version = Number(found);
        if (version < floor) {
          this.report.violations.push(`${call} gives ${version}, known was ${floor}`);
        }
        reader.raise(call, version);
      } catch {
        this.report.failedReads++;
        await delay(5);
      }
    }
  }
}
