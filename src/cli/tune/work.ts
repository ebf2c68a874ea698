import type { ContenderClient } from "./contender.ts";
import type { Mix } from "./report_types.ts";

/** Expiry of keys, in seconds: after a SIGKILL they are not removed. */
const KEY_SECONDS = 3600;
/** Keys of one size of values that a sweep reads and writes. */
const KEYS_PER_SIZE = 64;

/** The keys that one run touches; no other. */
export class TuneKeys {
  /** What all of them begin with; one hash slot, so that a pipeline is one on a cluster. */
  readonly prefix: string;
  readonly #sizes = new Set<number>();

  /**
   * Chooses a prefix that no other run has.
   *
   * @param id A text that no other run has.
   */
  constructor(id: string = crypto.randomUUID().slice(0, 8)) {
    this.prefix = `mooring:tune:{${id}}:`;
  }

  /** List that jobs are pushed to. */
  get jobs(): string {
    return `${this.prefix}jobs`;
  }

  /**
   * The keys of one size of values.
   *
   * @param bytes Bytes of a value.
   * @returns The keys; from now on they are among {@linkcode all}.
   */
  of(bytes: number): readonly string[] {
    this.#sizes.add(bytes);
    return Array.from({ length: KEYS_PER_SIZE }, (_, i) => `${this.prefix}${bytes}:${i}`);
  }

  /** Every key that may exist. */
  all(): string[] {
    return [this.jobs, ...[...this.#sizes].flatMap((bytes) => this.of(bytes))];
  }
}

/** What callers do in a mix. */
interface Work {
  /** One call. */
  readonly call: (n: number) => Promise<unknown>;
  /** Commands that a call stands for. */
  readonly commands: number;
  /** Starts what runs beside the callers, and returns what ends it. */
  readonly beside?: () => () => Promise<unknown>;
}

/** Commands of one pipeline. */
const BATCH = 16;
/** Of ten commands so many write: of the mix that mostly reads, and of the other. */
const FEW = 1;
const MOST = 9;
/** Consumers that block beside the callers. */
export const CONSUMERS = 8;
const STOP = "stop";
/** WATCH, GET, MULTI, SET, EXEC. */
const TRANSACTION = 5;

/**
 * What the callers of a mix do.
 *
 * @param mix The mix.
 * @param client The client.
 * @param keys The keys.
 * @param bytes Bytes of a value.
 * @param onWait Called with how long a lease was waited for, in milliseconds.
 * @returns The work.
 * @throws {Error} If the client cannot do it.
 */
export function workOf(
  mix: Mix,
  client: ContenderClient,
  keys: TuneKeys,
  bytes: number,
  onWait: (ms: number) => void,
): Work {
  const names = keys.of(bytes);
  const value = "x".repeat(bytes);
  const keyOf = (n: number) => names[n % KEYS_PER_SIZE]!;
  const readWrite = (writes: number) => (n: number) =>
    n % 10 < writes ? client.set(keyOf(n), value, KEY_SECONDS) : client.get(keyOf(n));
  if (mix === "get-heavy") return { call: readWrite(FEW), commands: 1 };
  if (mix === "write-heavy") return { call: readWrite(MOST), commands: 1 };
  if (mix === "pipeline") {
    const batch = names.slice(0, BATCH);
    return { call: () => client.pipeline(batch), commands: BATCH };
  }
  if (mix === "lease" && client.transact !== undefined) {
    const call = (n: number) => client.transact!(keyOf(n), value, KEY_SECONDS, onWait);
    return { call, commands: TRANSACTION };
  }
  if (mix === "blocking" && client.push !== undefined && client.pop !== undefined) {
    return blockingWork(client, keys, bytes, readWrite(0));
  }
  throw new Error(`The client cannot do the mix ${mix}`);
}

/** Callers that read, and now and then push a job that consumers block for. */
function blockingWork(
  client: ContenderClient,
  { jobs }: TuneKeys,
  bytes: number,
  read: (n: number) => Promise<unknown>,
): Work {
  const job = "j".repeat(Math.max(bytes, STOP.length + 1));
  return {
    call: (n) => n % 10 === 0 ? client.push!(jobs, job) : read(n),
    commands: 1,
    beside: () => {
      const consumers = Array.from({ length: CONSUMERS }, async () => {
        while (await client.pop!(jobs) !== STOP);
      });
      // A failure is reported when they are ended.
      const all = Promise.all(consumers);
      all.catch(() => {});
      return async () => {
        await client.push!(jobs, ...consumers.map(() => STOP));
        await all;
      };
    },
  };
}

/**
 * Writes the values that a mix reads.
 *
 * @param client Any client.
 * @param keys The keys.
 * @param bytes Bytes of a value.
 */
export async function writeValues(
  client: ContenderClient,
  keys: TuneKeys,
  bytes: number,
): Promise<void> {
  const value = "x".repeat(bytes);
  await Promise.all(keys.of(bytes).map((key) => client.set(key, value, KEY_SECONDS)));
}
