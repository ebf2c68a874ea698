import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  pauseAfter,
  runTransaction,
  type TransactionParts,
} from "../../../src/commands/transaction.ts";
import { Redis } from "../../../src/connection/driver.ts";
import { TransactionConflictError } from "../../../src/core/errors/mod.ts";
import { CommandClassifier } from "../../../src/resilience/command_class.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** How long a pause is, in milliseconds. */
async function lengthOf(attempt: number): Promise<number> {
  const clock = new FakeClock();
  const startedAt = clock.now();
  let endedAt: number | undefined;
  void pauseAfter(attempt, clock, undefined).then(() => endedAt = clock.now());
  while (endedAt === undefined) await clock.advance(0.25);
  return endedAt - startedAt;
}

Deno.test("pauseAfter() waits by chance, for longer after more conflicts, up to 200 ms", async () => {
  const lengths = async (attempt: number) =>
    await Promise.all(Array.from({ length: 40 }, () => lengthOf(attempt)));
  const [first, fifth, hundredth] = [
    await lengths(1),
    await lengths(5),
    await lengths(100),
  ] as const;
  for (const [found, most] of [[first, 4], [fifth, 64], [hundredth, 200]] as const) {
    assert(Math.max(...found) <= most + 0.25, `${found}`);
    assert(Math.max(...found) > most / 2, `${found}`);
    // Those that met once do not meet again.
    assert(new Set(found).size > 5, `${found}`);
  }
});

Deno.test("pauseAfter() ends with its signal, and leaves no timer", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const pause = pauseAfter(100, clock, stop.signal);
  assertEquals(clock.pending, 1);
  stop.abort(new Error("enough"));
  await assertRejects(() => pause, Error, "enough");
  assertEquals(clock.pending, 0);
});

Deno.test("runTransaction() pauses between attempts, and gives its connection back after the last", async () => {
  const clock = new FakeClock();
  const client = new Redis({ lazyConnect: true });
  const classifier = new CommandClassifier(() => []);
  const log: string[] = [];
  const watching = Object.assign(Object.create(client) as Redis, {
    watch: () => Promise.resolve(log.push("watch")),
  });
  const parts: TransactionParts = {
    database: "main",
    client,
    decodeResponses: true,
    classify: ({ name, args }) => classifier.resolve(name, args),
    acquire: () =>
      Promise.resolve({
        endpoint: "nowhere",
        redis: watching,
        // Somebody else has always written meanwhile.
        send: ({ name }) => Promise.resolve(name === "exec" ? null : "QUEUED"),
        release: () => void log.push("release"),
        destroy: () => void log.push("destroy"),
      }),
    observer: undefined,
    clock,
  };
  // By chance a pause is shorter than 4, and then 8, milliseconds.
  const { random } = Math;
  Math.random = () => 0;
  try {
    const running = runTransaction(parts, (tx) => void tx.set("n", log.length), {
      watch: ["n"],
      maxAttempts: 3,
    });
    const failed = assertRejects(() => running, TransactionConflictError);
    await clock.advance(3);
    assertEquals([log, clock.pending], [["watch"], 1]);
    await clock.advance(1);
    await clock.advance(7);
    assertEquals([log, clock.pending], [["watch", "watch"], 1]);
    await clock.advance(1);
    assertEquals((await failed).attempts, 3);
    assertEquals([log, clock.pending], [["watch", "watch", "watch", "release"], 0]);
  } finally {
    Math.random = random;
  }
});
