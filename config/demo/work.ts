import type { RedisClient, RedisConnectionManager } from "../../mod.ts";

/** Keys that are written and read one by one. */
const KEYS = 20;
/** Commands of the pipeline. */
const PIPELINED = 50;
/** Commands that are in flight at the same time. */
const BURST = 500;

/** What became of the work in one database. */
export interface Outcome {
  /** Name of the database. */
  readonly database: string;
  /** How long it took to connect, in milliseconds. */
  readonly readyMs: number;
  /** What went wrong, in words; empty if nothing did. */
  readonly problems: readonly string[];
}

/** Replies are text or, where the configuration says so, Buffers of the same text. */
function expect(what: string, actual: unknown, wanted: unknown): void {
  if (String(actual) !== String(wanted)) {
    throw new Error(`${what}: got ${actual}, expected ${wanted}`);
  }
}

async function writeAndRead(client: RedisClient): Promise<void> {
  for (let i = 0; i < KEYS; i++) await client.set(`key:${i}`, `value ${i}`, "EX", 60);
  for (let i = 0; i < KEYS; i++) {
    expect(`GET key:${i}`, await client.get(`key:${i}`), `value ${i}`);
  }
}

async function runPipeline(manager: RedisConnectionManager, name: string): Promise<void> {
  const replies = await manager.pipeline(name, (pipeline) => {
    for (let i = 0; i < PIPELINED; i++) pipeline.hset("hash", `field${i}`, i);
    pipeline.hlen("hash");
  });
  expect("HLEN after the pipeline", replies.at(-1), PIPELINED);
}

async function runBurst(client: RedisClient): Promise<void> {
  const replies = await Promise.all(
    Array.from({ length: BURST }, () => client.incr("counter")),
  );
  expect("distinct INCR replies", new Set(replies).size, BURST);
  expect("counter after the burst", await client.get("counter"), String(BURST));
}

async function cleanUp(client: RedisClient): Promise<void> {
  const keys = Array.from({ length: KEYS }, (_, i) => `key:${i}`);
  await client.del(...keys, "hash", "counter");
}

async function workIn(
  client: RedisClient,
  manager: RedisConnectionManager,
  name: string,
) {
  try {
    await writeAndRead(client);
    await runPipeline(manager, name);
    await runBurst(client);
  } finally {
    await cleanUp(client);
  }
}

/**
 * Connects every database at once, then works in one after the other, so that each one's
 * latency is its own.
 *
 * @param manager The manager.
 * @param say Told of each database that is ready or failed.
 * @returns What became of each.
 */
export async function workInAll(
  manager: RedisConnectionManager,
  say: (line: string) => void,
): Promise<Outcome[]> {
  const opening = manager.listDatabases().map(async ({ name, db, endpoint }) => {
    const startedAt = performance.now();
    const client = await manager.getAsyncClient(name).catch((error: Error) => error);
    const readyMs = performance.now() - startedAt;
    const failed = client instanceof Error;
    const verdict = failed ? client.message : `ready after ${readyMs.toFixed(1)} ms`;
    say(`  ${name} (db ${db} on ${endpoint}): ${verdict}`);
    return { name, readyMs, client };
  });
  const outcomes: Outcome[] = [];
  for (const { name, readyMs, client } of await Promise.all(opening)) {
    const problem = client instanceof Error
      ? client
      : await workIn(client, manager, name).then(
        () => undefined,
        (error: Error) => error,
      );
    const problems = problem === undefined ? [] : [problem.message];
    outcomes.push({ database: name, readyMs, problems });
  }
  return outcomes;
}
