import { assertEquals, assertRejects } from "@std/assert";
import { conflictPauseMs, RetryPolicy } from "../../../src/commands/retry.ts";
import {
  runTransaction,
  type TransactionParts,
} from "../../../src/commands/transaction.ts";
import { classifier } from "../../../src/connection/command_arguments.ts";
import { type IORedisCommand, Redis } from "../../../src/connection/ioredis.ts";
import { TransactionConflictError } from "../../../src/core/errors/mod.ts";
import { DatabaseStatistics } from "../../../src/observability/statistics.ts";
import { RetryBudget } from "../../../src/resilience/retry.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { ReplyError } from "ioredis";

Deno.test("conflictPauseMs() is longer after more conflicts, up to 200 ms, by chance", () => {
  const longest = [1, 2, 5, 100].map((attempt) => conflictPauseMs(attempt, 0));
  assertEquals(longest, [4, 8, 64, 200]);
  assertEquals([0.5, 1].map((random) => conflictPauseMs(100, random)), [100, 0]);
});

/** What a transaction needs, on connections that answer as is said; `log` gets what is
 * done with them. */
function partsWith(
  clock: FakeClock,
  log: string[],
  answer: (command: IORedisCommand) => Promise<unknown>,
): TransactionParts {
  const client = new Redis({ lazyConnect: true });
  const watching = Object.assign(Object.create(client) as Redis, {
    watch: () => Promise.resolve(log.push("watch")),
  });
  return {
    config: {
      name: "main",
      decodeResponses: true,
      commandTimeoutMs: 1000,
      acquireTimeoutMs: 1000,
    },
    client,
    classify: ({ name, args }) => classifier.resolve(name, args),
    acquire: () =>
      Promise.resolve({
        endpoint: "nowhere",
        redis: watching,
        send: answer,
        release: () => void log.push("release"),
        forget: () => void log.push("forget"),
      }),
    retryPolicy: new RetryPolicy({
      config: {
        maxRetries: 0,
        retryDelayMs: 50,
        retryOnTimeout: true,
        retryWrites: false,
      },
      budget: new RetryBudget({ clock, ratio: 0, minPerSecond: 0 }),
      statistics: new DatabaseStatistics("main", clock),
      clock,
    }),
    statistics: {
      counts: {
        ...new DatabaseStatistics("main", clock).counts,
        get totalRetryAttempts() {
          return 0;
        },
        set totalRetryAttempts(_) {
          log.push("retried");
        },
      },
    },
    observer: undefined,
    clock,
  };
}

Deno.test("runTransaction() pauses between attempts, and gives its connection back after the last", async () => {
  const clock = new FakeClock();
  const log: string[] = [];
  // Somebody else has always written meanwhile.
  const parts = partsWith(
    clock,
    log,
    ({ name }) => Promise.resolve(name === "exec" ? null : "QUEUED"),
  );
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

const LOADING = "LOADING Redis is loading the dataset in memory";

/** Answers LOADING to the first transaction, whichever command it meets it with. */
function loadingFirst(at: string, sent: IORedisCommand[]) {
  let isLoading = true;
  return (command: IORedisCommand): Promise<unknown> => {
    sent.push(command);
    const { name } = command;
    const isMet = isLoading && (name === at || at === "multi");
    if (name === "exec") {
      isLoading = false;
      return isMet || (at === "set" && sent.length < 5)
        ? Promise.reject(new ReplyError(LOADING))
        : Promise.resolve(["OK", 2]);
    }
    if (isMet) return Promise.reject(new ReplyError(LOADING));
    return Promise.resolve(name === "multi" ? "OK" : "QUEUED");
  };
}

for (const at of ["multi", "set", "exec"]) {
  Deno.test(`runTransaction() retries where ${at} is refused for now, with the same commands`, async () => {
    const log: string[] = [];
    const sent: IORedisCommand[] = [];
    let runs = 0;
    const parts = partsWith(new FakeClock(), log, loadingFirst(at, sent));
    const replies = await runTransaction(parts, (tx) => {
      runs++;
      tx.set("k", "v").incr("n");
    }, {});
    assertEquals(replies, ["OK", 2]);
    assertEquals(runs, 1);
    assertEquals(log, ["retried", "forget", "release", "release"]);
    const words = sent.map(({ args, name }) => [name, ...args.map(String)].join(" "));
    assertEquals(words.slice(4), words.slice(0, 4));
    // A command is settled once.
    assertEquals(new Set(sent).size, 8);
  });
}

Deno.test("runTransaction() reads again where it watches, and where its reads are refused for now", async () => {
  const log: string[] = [];
  const sent: IORedisCommand[] = [];
  const answer = loadingFirst("get", sent);
  let isLoading = true;
  const parts = partsWith(new FakeClock(), log, (command) => {
    if (command.name !== "get") return answer(command);
    const refused = isLoading;
    isLoading = false;
    return refused ? Promise.reject(new ReplyError(LOADING)) : Promise.resolve("1");
  });
  let runs = 0;
  const replies = await runTransaction(parts, async (tx, watched) => {
    runs++;
    tx.set("k", String(await watched.get("k"))).incr("n");
  }, { watch: ["k"] });
  assertEquals([replies, runs], [["OK", 2], 2]);
  assertEquals(log, ["watch", "retried", "forget", "release", "watch", "release"]);
});

Deno.test("runTransaction() rejects at once with an error that its callback has of another server", async () => {
  const log: string[] = [];
  const parts = partsWith(new FakeClock(), log, () => Promise.resolve("QUEUED"));
  const error = new ReplyError(LOADING);
  const told = await assertRejects(() =>
    runTransaction(parts, () => {
      throw error;
    }, {})
  );
  assertEquals(told, error);
  assertEquals(log, ["release"]);
});
