import type { ContenderClient } from "./contender.ts";
import { KEY_SECONDS, KEYS_PER_SIZE, type TuneKeys } from "./keys.ts";
import type { Mix } from "./report_types.ts";

/** What callers do in a mix. */
export interface Work {
  /** One call. */
  readonly call: (n: number) => Promise<unknown>;
  /** Commands that a call stands for. */
  readonly commands: number;
  /** What runs beside the callers: begins it, and gives what ends it. */
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
 * @param onWait Told how long a lease was waited for, in milliseconds.
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
      // A failure is told when they are ended: until then nobody listens.
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
