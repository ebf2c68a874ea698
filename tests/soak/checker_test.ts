import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ProxyRecorder } from "../support/proxy_recorder.ts";
import { Explanations } from "./explanations.ts";
import { FAULTS } from "./faults.ts";
import { heapBoundKib, heapTrend, LEAST_SAMPLES } from "./heap_trend.ts";
import { heapUse } from "./heap_use.ts";
import { LagMeter } from "./lag_meter.ts";
import { readOptions, written } from "./options.ts";
import { PromiseWatch } from "./promise_watch.ts";
import { PubSubChecker } from "./pubsub_checker.ts";
import { allowedRecoveryMs, distribution, lateRecoveries } from "./recovery.ts";
import { type Findings, summary, violations } from "./verdict.ts";
import { WriteLedger } from "./write_ledger.ts";

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
  load: 0,
  only: [],
  counts: { GET: 1 },
  strikes: { cut: 1 },
  balance: {
    acknowledged: 1,
    ambiguous: 1,
    refused: 1,
    lost: 0,
    doubles: 0,
    faults: [],
    about: [],
  },
  late: [],
  pending: 0,
  pubsub: { received: 0, gaps: 0 },
  recoveries: [{ what: "cut", isOutage: true, ms: 3, allowedMs: 1000 }],
  heap: heapTrend([]),
  code: heapTrend([]),
  worstLagMs: 1,
  wrong: [],
};

Deno.test("WriteLedger.close() finds nothing where the server agrees", async () => {
  const ledger = new WriteLedger("p");
  await ledger.count("n", () => Promise.resolve(1));
  await ledger.count("n", () => Promise.reject(lost));
  await ledger.count("n", () => Promise.reject(refused));
  await ledger.append(() => Promise.resolve(1));
  await ledger.push(() => Promise.resolve(1));
  await ledger.push(() => Promise.resolve(2));
  await ledger.pop(() => Promise.resolve("t0"));
  const balance = await ledger.close(
    serverWith({ "p:n": "2", "p:log": ["t0"], "p:jobs": ["t1"] }),
  );
  assertEquals(balance, {
    acknowledged: 4,
    ambiguous: 1,
    refused: 1,
    lost: 0,
    doubles: 0,
    faults: [],
    about: [],
  });
});

Deno.test("WriteLedger.close() finds a planted double, of a counter, of the log and of a job", async () => {
  const ledger = new WriteLedger("p");
  await ledger.count("n", () => Promise.resolve(1));
  await ledger.append(() => Promise.resolve(1));
  await ledger.append(() => Promise.reject(refused));
  await ledger.push(() => Promise.resolve(1));
  await ledger.pop(() => Promise.resolve("t0"));
  await ledger.pop(() => Promise.resolve("t0"));
  const { about, doubles, faults, lost } = await ledger.close(
    serverWith({ "p:n": "2", "p:log": ["t0", "t0", "t1"] }),
  );
  assertEquals([doubles, lost, faults.length], [4, 0, 4], faults.join("\n"));
  assertStringIncludes(faults.join("\n"), "p:n: 1 done twice");
  assertStringIncludes(faults.join("\n"), "log: 1 ghosts: t1");
  // A command of the log, as it is sent, has this in it.
  assertEquals(about[0], "p:n");
  assert(about.includes("p:log\r\n$2\r\nt1\r\n"), about.join());
});

Deno.test("WriteLedger.close() finds a planted loss, of a counter, of the log and of a job", async () => {
  const ledger = new WriteLedger("p");
  await ledger.count("n", () => Promise.resolve(1));
  await ledger.count("n", () => Promise.resolve(2));
  await ledger.append(() => Promise.resolve(1));
  for (let i = 0; i < 2; i++) await ledger.push(() => Promise.resolve(i));
  // One of the two may have gone with the reply of this one.
  await ledger.pop(() => Promise.reject(lost));
  const balance = await ledger.close(serverWith({ "p:n": "1" }));
  assertEquals([balance.lost, balance.doubles], [3, 0], balance.faults.join("\n"));
});

Deno.test("WriteLedger.close() finds a reply that two callers got", async () => {
  const ledger = new WriteLedger("p");
  for (let i = 0; i < 2; i++) await ledger.count("n", () => Promise.resolve(7));
  assertEquals((await ledger.close(serverWith({ "p:n": "2" }))).doubles, 1);
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
  // It forgets what is older than the last 6000 looks that were late.
  for (let i = 0; i < 7000; i++) pass(20);
  assertEquals(meter.sumSince(0), 60_000);
});

Deno.test("PubSubChecker finds messages that are missing, doubled or out of order, but for reported gaps", async () => {
  const faults: string[] = [];
  const pubsub = new PubSubChecker((what) => faults.push(what));
  const sent = () => Promise.resolve();
  for (let i = 1; i <= 4; i++) await pubsub.publish(sent);
  pubsub.onMessage("1");
  assertEquals(faults, []);
  await pubsub.publish(sent);
  pubsub.onGap();
  await pubsub.publish(sent);
  pubsub.onMessage("6");
  assertEquals(faults, []);
  for (let i = 7; i <= 8; i++) await pubsub.publish(sent);
  pubsub.onMessage("8");
  pubsub.onMessage("8");
  assertEquals(faults.length, 2, faults.join("\n"));
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
  // 2.4 KiB for each fault, twelve of them a minute, are found by a soak of 30 minutes.
  const { minutes } = heapTrend(
    Array.from({ length: 181 }, (_, i) => ({ minute: i / 6, bytes: 0 })),
  );
  assert(heapBoundKib(minutes) < 2.4 * 12, `${heapBoundKib(minutes)} KiB/min`);
  assertEquals(violations({ ...CLEAN, heap: grown }).length, 1);
  assertEquals(
    violations({ ...CLEAN, heap: { ...grown, samples: LEAST_SAMPLES - 1 } }),
    [],
  );
});

Deno.test("heapUse() counts what is kept as objects, code that is kept among them", () => {
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  const use = () => {
    gc();
    return heapUse();
  };
  const grown = (keep: () => unknown[]) => {
    const before = use();
    const kept = keep();
    const after = use();
    return {
      count: kept.length,
      objects: after.objects - before.objects,
      code: after.code - before.code,
    };
  };
  const things = grown(() => Array.from({ length: 400_000 }, (_, i) => ({ i })));
  assert(things.objects > 20 * things.count, Deno.inspect(things));
  assert(things.code < 2 * things.count, Deno.inspect(things));
  const code = grown(() =>
    Array.from({ length: 10_000 }, (_, i) => {
      const made = new Function(`return ${i}`);
      made();
      return made;
    })
  );
  assert(code.objects > 200 * code.count, Deno.inspect(code));
  assert(code.objects > code.code, Deno.inspect(code));
});

Deno.test("violations() names each kind, and the summary how to see it again", () => {
  assertEquals(violations(CLEAN), []);
  assertEquals(summary(CLEAN).split("\n").at(-1), "No violation");
  const { balance } = CLEAN;
  const bad: Partial<Findings>[] = [
    { balance: { ...balance, lost: 1 } },
    { balance: { ...balance, doubles: 1 } },
    { late: ["late"] },
    { pending: 1 },
    { wrong: ["wrong"] },
    { recoveries: [{ what: "cut", isOutage: true, ms: 1001, allowedMs: 1000 }] },
    { recoveries: [{ what: "cut", isOutage: false, ms: Infinity, allowedMs: 1000 }] },
  ];
  for (const each of bad) {
    const findings = { ...CLEAN, ...each };
    assertEquals(violations(findings).length, 1, Deno.inspect(each));
    assertEquals(summary(findings).split("\n").at(-1), "1 violations");
  }
  assertStringIncludes(
    summary({ ...CLEAN, pending: 1 }),
    "Again: deno task soak --minutes 1 --seed 9",
  );
});

Deno.test("readOptions() refuses what it does not know, and written() says the same again", () => {
  const only = "kill -9 and restart,delay";
  const options = readOptions([
    ...["--seed", "5", "--minutes", "0.5"],
    ...["--load", "3", "--only", only],
  ]);
  assertEquals(options, {
    minutes: 0.5,
    seed: 5,
    load: 3,
    only: ["kill -9 and restart", "delay"],
  });
  assertEquals(written(options), `--minutes 0.5 --seed 5 --load 3 --only "${only}"`);
  const { minutes, load, only: all } = readOptions([]);
  assertEquals([minutes, load, all], [30, 0, []]);
  // Each can be named.
  const names = FAULTS.map(({ name }) => name);
  assertEquals(readOptions(["--only", names.join(",")]).only, names);
  for (
    const bad of [
      ["--minutes", "0"],
      ["--minutes"],
      ["--seed", "x"],
      ["--what", "1"],
      ["--load", "-1"],
      ["--load", "1.5"],
      ["--only", ""],
      ["--only", "delays"],
      ["--only", "delay,nothing"],
    ]
  ) {
    assertThrows(() => readOptions(bad), TypeError, "Usage", bad.join(" "));
  }
});

Deno.test("WriteLedger.pop() does not excuse an abort that took a value without reporting it", async () => {
  const reason = new DOMException("aborted", "AbortError");
  const signal = AbortSignal.abort(reason);
  const ledger = new WriteLedger("p");
  await ledger.push(() => Promise.resolve(1));
  await ledger.push(() => Promise.resolve(2));
  assertEquals(await ledger.pop(() => Promise.reject(reason), signal), "rejected");
  // One that says that it does not know may have taken one.
  assertEquals(await ledger.pop(() => Promise.reject(lost), signal), "ambiguous");
  const { faults } = await ledger.close(serverWith({}));
  assertEquals(faults, ["p:jobs: 1 lost: t1"]);
});

Deno.test("distribution() gives the worst as max, and p99 of few as the worst", () => {
  assertEquals(distribution([]), "none");
  assertEquals(distribution([3]), "p50 3 ms, p99 3 ms, max 3 ms, of 1");
  const times = Array.from({ length: 200 }, (_, i) => 200 - i);
  assertEquals(distribution(times), "p50 100 ms, p99 198 ms, max 200 ms, of 200");
});

Deno.test("allowedRecoveryMs() is 1 s, and grows with the load and with what came late", () => {
  assertEquals(allowedRecoveryMs(0, 0.2), 1000);
  assertEquals(allowedRecoveryMs(0, 4), 4000);
  assertEquals(allowedRecoveryMs(200, 0.2), 1600);
  const late = lateRecoveries([
    { what: "a cut", isOutage: false, ms: 1000, allowedMs: 1000 },
    { what: "an outage", isOutage: true, ms: 1001, allowedMs: 1000 },
  ]);
  assertEquals(late.length, 1);
  assertStringIncludes(late[0]!, "after an outage");
});

Deno.test("Explanations writes what the relays remember, with the frames in question apart", async () => {
  const folder = await Deno.makeTempDir();
  const recorder = new ProxyRecorder(1024 ** 2);
  const said: string[] = [];
  const explanations = new Explanations(
    new Map([["main", recorder]]),
    `${folder}/soak`,
    (line) => said.push(line),
  );
  try {
    explanations.write([]);
    assertEquals(said, []);
    explanations.event("main", "a cut begins");
    recorder.bytes(7, "toServer", new TextEncoder().encode("INCR n1"), "passed");
    recorder.bytes(7, "toClient", new TextEncoder().encode(":1"), "lost");
    explanations.write(["n1: 1 lost"], ["n1"]);
    assertEquals(said[0], "VIOLATION: n1: 1 lost");
    const text = await Deno.readTextFile(`${folder}/soak/violation-1.txt`);
    for (
      const part of [
        "n1: 1 lost\n",
        "a cut begins",
        "Chunks about n1: 1",
        "Connection #7, the last 30 of 2 entries:\n  0.0",
        '→ 7 B "INCR n1"',
        '← LOST 2 B ":1"',
      ]
    ) {
      assertStringIncludes(text, part);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
