import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Books } from "./books.ts";
import { heapTrend, LEAST_SAMPLES } from "./heap_trend.ts";
import { LagMeter } from "./lag_meter.ts";
import { News } from "./news.ts";
import { readOptions } from "./options.ts";
import { PromiseWatch } from "./promise_watch.ts";
import { type Findings, summary, violations } from "./verdict.ts";

/** A server that has what it is given. */
function serverWith(values: Record<string, string | string[]>) {
  return (...command: (string | number | Uint8Array)[]) =>
    Promise.resolve(
      values[String(command[1])] ?? (command[0] === "LRANGE" ? [] : null),
    );
}

const lost = Object.assign(new Error("lost"), { delivery: "ambiguous" });
const refused = Object.assign(new Error("OOM"), { name: "ReplyError" });

const CLEAN: Findings = {
  minutes: 1,
  seed: 9,
  counts: { GET: 1 },
  strikes: { cut: 1 },
  balance: { acknowledged: 1, ambiguous: 1, refused: 1, lost: 0, doubles: 0, faults: [] },
  late: [],
  pending: 0,
  news: { received: 0, gaps: 0 },
  recoveriesMs: [3],
  heap: heapTrend([]),
  worstLagMs: 1,
  wrong: [],
};

Deno.test("Books.close() finds nothing where the server agrees", async () => {
  const books = new Books("p");
  await books.count("n", () => Promise.resolve(1));
  await books.count("n", () => Promise.reject(lost));
  await books.count("n", () => Promise.reject(refused));
  await books.append(() => Promise.resolve(1));
  await books.push(() => Promise.resolve(1));
  await books.push(() => Promise.resolve(2));
  await books.pop(() => Promise.resolve("t0"));
  const balance = await books.close(
    serverWith({ "p:n": "2", "p:log": ["t0"], "p:jobs": ["t1"] }),
  );
  assertEquals(balance, {
    acknowledged: 4,
    ambiguous: 1,
    refused: 1,
    lost: 0,
    doubles: 0,
    faults: [],
  });
});

Deno.test("Books.close() finds a planted double, of a counter, of the log and of a job", async () => {
  const books = new Books("p");
  await books.count("n", () => Promise.resolve(1));
  await books.append(() => Promise.resolve(1));
  await books.append(() => Promise.reject(refused));
  await books.push(() => Promise.resolve(1));
  await books.pop(() => Promise.resolve("t0"));
  await books.pop(() => Promise.resolve("t0"));
  const { doubles, faults, lost } = await books.close(
    serverWith({ "p:n": "2", "p:log": ["t0", "t0", "t1"] }),
  );
  assertEquals([doubles, lost, faults.length], [4, 0, 4], faults.join("\n"));
  assertStringIncludes(faults.join("\n"), "p:n: 1 done twice");
  assertStringIncludes(faults.join("\n"), "log: ghosts t1");
});

Deno.test("Books.close() finds a planted loss, of a counter, of the log and of a job", async () => {
  const books = new Books("p");
  await books.count("n", () => Promise.resolve(1));
  await books.count("n", () => Promise.resolve(2));
  await books.append(() => Promise.resolve(1));
  for (let i = 0; i < 2; i++) await books.push(() => Promise.resolve(i));
  // One of the two may have gone with the reply of this one.
  await books.pop(() => Promise.reject(lost));
  const balance = await books.close(serverWith({ "p:n": "1" }));
  assertEquals([balance.lost, balance.doubles], [3, 0], balance.faults.join("\n"));
});

Deno.test("Books.close() finds a reply that two callers got", async () => {
  const books = new Books("p");
  for (let i = 0; i < 2; i++) await books.count("n", () => Promise.resolve(7));
  assertEquals((await books.close(serverWith({ "p:n": "2" }))).doubles, 1);
});

Deno.test("PromiseWatch.overdue() finds a planted pending promise and a late one", async () => {
  let now = 0;
  let lagMs = 0;
  const watch = new PromiseWatch({ sumSince: () => lagMs }, () => now);
  const { promise, resolve } = Promise.withResolvers<void>();
  const never = watch.run("never", 1000, () => promise);
  const late = watch.run("late", 1000, async () => {
    await null;
    now = 1201;
  });
  await late;
  assertEquals([watch.settled, watch.pending], [1, 1]);
  const found = watch.overdue();
  assertEquals(found.length, 2);
  assertStringIncludes(found.join("\n"), "late settled after 1201 ms");
  assertStringIncludes(found.join("\n"), "never pending for 1201 ms");
  assertEquals(watch.pending, 1, "told, and still pending");
  resolve();
  await never;
  assertEquals(watch.pending, 0);
  lagMs = 120;
  // As late as the event loop excuses.
  await watch.run("excused", 1000, () => {
    now += 1219;
    return Promise.resolve();
  });
  assertEquals(watch.overdue().length, 2);
  await watch.run("beyond it", 1000, () => {
    now += 1221;
    return Promise.resolve();
  });
  assertStringIncludes(watch.overdue().join("\n"), "beyond it settled after 1221 ms");
});

Deno.test("LagMeter adds up how late it is, and knows the worst", () => {
  let now = 0;
  using meter = new LagMeter(() => now);
  const pass = (ms: number) => {
    now += ms;
    meter.measure();
  };
  for (const ms of [10, 50, 11, 30]) pass(ms);
  assertEquals([meter.sumSince(0), meter.worst], [60, 40]);
  assertEquals(meter.sumSince(61), 20);
  now += 25;
  assertEquals(meter.sumSince(102), 15);
});

Deno.test("News finds messages that are missing, doubled or out of order, but for told gaps", async () => {
  const news = new News();
  const sent = () => Promise.resolve();
  for (let i = 1; i <= 4; i++) await news.publish(sent);
  news.heard("1");
  assertEquals(news.faults, []);
  await news.publish(sent);
  news.gap();
  await news.publish(sent);
  news.heard("6");
  assertEquals(news.faults, []);
  for (let i = 7; i <= 8; i++) await news.publish(sent);
  news.heard("8");
  news.heard("8");
  assertEquals(news.faults.length, 2, news.faults.join("\n"));
});

Deno.test("heapTrend() sees growth through odd samples, and none where there is none", () => {
  const kib = 1024;
  const samples = (growth: number) =>
    Array.from({ length: 40 }, (_, i) => ({
      minute: i / 4,
      bytes: 10_000 * kib + growth * kib * i / 4 + (i % 7 === 0 ? 900 * kib : 0),
    }));
  const grown = heapTrend(samples(100));
  assert(Math.abs(grown.kibPerMinute - 100) < 20, `${grown.kibPerMinute}`);
  assert(Math.abs(heapTrend(samples(0)).kibPerMinute) < 5);
  assertEquals(violations({ ...CLEAN, heap: grown }).length, 1);
  assertEquals(
    violations({ ...CLEAN, heap: { ...grown, samples: LEAST_SAMPLES - 1 } }),
    [],
  );
});

Deno.test("violations() names each kind, and the summary how to see it again", () => {
  assertEquals(violations(CLEAN), []);
  assertStringIncludes(summary(CLEAN), "No violation");
  const { balance } = CLEAN;
  const bad: Partial<Findings>[] = [
    { balance: { ...balance, lost: 1 } },
    { balance: { ...balance, doubles: 1 } },
    { late: ["late"] },
    { pending: 1 },
    { wrong: ["wrong"] },
  ];
  for (const each of bad) {
    assertEquals(violations({ ...CLEAN, ...each }).length, 1, Deno.inspect(each));
  }
  assertStringIncludes(
    summary({ ...CLEAN, pending: 1 }),
    "Again: deno task soak --minutes 1 --seed 9",
  );
});

Deno.test("readOptions() refuses what it does not know", () => {
  assertEquals(readOptions(["--seed", "5", "--minutes", "0.5"]), {
    minutes: 0.5,
    seed: 5,
  });
  assertEquals(readOptions([]).minutes, 30);
  for (
    const bad of [["--minutes", "0"], ["--minutes"], ["--seed", "x"], ["--what", "1"]]
  ) {
    assertThrows(() => readOptions(bad), TypeError, "Usage");
  }
});
