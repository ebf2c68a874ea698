import { type RedisConfig, RedisConnectionManager } from "../../../mod.ts";
import { VERSION } from "../../core/version.ts";
import type { Mix, Subject } from "./report_types.ts";

/** What a client that is measured can do. */
export interface ContenderClient {
  /** GET. */
  get(key: string): Promise<unknown>;
  /** SET with an expiry, in seconds. */
  set(key: string, value: string, seconds: number): Promise<unknown>;
  /** One GET for each key, sent together. */
  pipeline(keys: readonly string[]): Promise<unknown>;
  /** RPUSH; only for the mix `blocking`. */
  push?(list: string, ...values: string[]): Promise<unknown>;
  /** BLPOP without a timeout, beside other commands; only for the mix `blocking`. */
  pop?(list: string): Promise<string | undefined>;
  /** WATCH, GET, MULTI, SET, EXEC on a lease; only for the mix `lease`. */
  transact?(
    key: string,
    value: string,
    seconds: number,
    onWait: (ms: number) => void,
  ): Promise<unknown>;
  /** Closes its connections. */
  close(): Promise<unknown>;
}

/** What a client is opened with. */
export interface OpenOptions {
  /** The database to measure, as configured. */
  readonly config: RedisConfig;
  /** Name of its connections: no other client's begin with it. */
  readonly name: string;
  /** Most shared connections. */
  readonly lanes: number;
  /** Most leases. */
  readonly leases: number;
}

/** A client that takes part in the sweep. */
export interface Contender {
  /** Its name in the report. */
  readonly subject: Subject;
  /** Its version. */
  readonly version: string;
  /** What it can do. */
  readonly mixes: readonly Mix[];
  /** Opens it; the prefix is what the names of its connections begin with. */
  open(options: OpenOptions): Promise<{ client: ContenderClient; namePrefix: string }>;
}

/** Longer than any wait that is measured: a sweep must see the waits, not end them. */
const TIMEOUT_MS = 60_000;

/** A manager with one database, on the server of another database's configuration. */
export function managerFor(
  { config, lanes, leases, name }: OpenOptions,
  nearCache: Partial<RedisConfig["nearCache"]> = { maxEntries: 0 },
): RedisConnectionManager {
  const { name: _name, aliasOf: _aliasOf, ...settings } = config;
  return new RedisConnectionManager({
    databases: {
      [name]: {
        ...settings,
        keyPrefix: "",
        nearCache,
        // A server that cannot be reached fails at once.
        connectRetry: { ...settings.connectRetry, attempts: 1 },
        maxLanes: lanes,
        minConnections: 0,
        // One place is kept for leases, even where none are taken.
        maxConnections: lanes + Math.max(1, leases),
        acquireTimeoutMs: TIMEOUT_MS,
        commandTimeoutMs: TIMEOUT_MS,
      },
    },
  });
}

/** The manager of this package, without a near cache. */
export const MOORING: Contender = {
  subject: "mooring",
  version: VERSION,
  mixes: ["get-heavy", "write-heavy", "pipeline", "blocking", "lease"],
  open: (options) => openManager(options, managerFor(options)),
};

/** Entries of the near cache where the configuration sets none: more than there are keys. */
const NEAR_ENTRIES = 10_000;

/** The same with a near cache, as configured. */
export const NEAR_CACHE: Contender = {
  ...MOORING,
  subject: "near cache",
  mixes: ["get-heavy", "write-heavy"],
  open(options) {
    const { maxBytes, maxEntries, ttlMs } = options.config.nearCache;
    // The keys of the run begin with none of the configured prefixes.
    const nearCache = { maxBytes, ttlMs, maxEntries: maxEntries || NEAR_ENTRIES };
    return openManager(options, managerFor(options, nearCache));
  },
};

async function openManager({ name }: OpenOptions, manager: RedisConnectionManager) {
  const client = await manager.getAsyncClient(name).catch(async (error) => {
    await manager.closeAll();
    throw error;
  });
  const opened: ContenderClient = {
    get: (key) => client.get(key),
    set: (key, value, seconds) => client.set(key, value, "EX", seconds),
    pipeline: (keys) => manager.pipeline(name, (p) => keys.forEach((key) => p.get(key))),
    push: (list, ...values) => client.rpush(list, ...values),
    pop: async (list) => (await client.blpop(list, 0))?.[1],
    transact: async (key, value, seconds, onWait) => {
      const askedAt = performance.now();
      await using lease = await manager.acquire(name);
      onWait(performance.now() - askedAt);
      await lease.client.watch(key);
      await lease.client.get(key);
      await lease.client.multi().set(key, value, "EX", seconds).exec();
    },
    close: () => manager.closeAll(),
  };
  return { client: opened, namePrefix: `mooring:${name}:` };
}
