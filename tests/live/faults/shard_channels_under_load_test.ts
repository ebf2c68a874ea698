import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { keySlot } from "../../../src/cluster/slots.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { assertNothingHeld } from "../../support/left_over.ts";
import { SlotMover, waysOf } from "./_cluster_moves.ts";
import { report } from "./_report.ts";
import { Stopwatch } from "./_stage.ts";

const CHANNELS = Array.from({ length: 8 }, (_, i) => `s${i}`);

/** What was published and received of one channel. */
interface Ledger {
  published: number;
  /** Number of the last message that was received. */
  last: number;
  received: number;
  gaps: number;
  /** Whether a gap was told since the last message. */
  isTold: boolean;
  /** Messages that are missing without a gap before the next one, or came twice or late. */
  readonly violations: string[];
}

/** Subscribes to every channel, and publishes numbers on each without a pause. */
async function begin(manager: RedisConnectionManager) {
  const client = manager.getClient("main");
  const ledgers = new Map<string, Ledger>();
  for (const name of CHANNELS) {
    const ledger: Ledger = {
      ...{ published: 0, last: 0, received: 0, gaps: 0, isTold: false, violations: [] },
    };
    ledgers.set(name, ledger);
    await manager.subscribe("main", { shards: [name] }, (message) => {
      const number = Number(message);
      const missing = number - ledger.last - 1;
      if (missing < 0) ledger.violations.push(`${number} after ${ledger.last}`);
      if (missing > 0 && !ledger.isTold) {
        ledger.violations.push(`${missing} before ${number}, without a gap`);
      }
      ledger.isTold = false;
      ledger.last = Math.max(ledger.last, number);
      ledger.received++;
    }, {
      onGap: () => {
        ledger.gaps++;
        ledger.isTold = true;
      },
    });
  }
  let isStopped = false;
  const publishing = Promise.all([...ledgers].map(async ([name, ledger]) => {
    while (!isStopped) {
      // What is not known to be published has a number all the same.
      await client.spublish(name, String(++ledger.published)).catch(() => {});
      await delay(2);
    }
  }));
  return {
    ledgers,
    stop: async () => {
      isStopped = true;
      await publishing;
    },
  };
}

function summary(ledgers: ReadonlyMap<string, Ledger>): string {
  const all = [...ledgers.values()];
  const sum = (of: (ledger: Ledger) => number) =>
    all.reduce((total, ledger) => total + of(ledger), 0);
  const [published, received] = [
    sum((each) => each.published),
    sum((each) => each.received),
  ];
  return `${received} of ${published} messages, ${sum((each) => each.gaps)} gaps, ` +
    "none missing without one";
}

/** Waits until every channel gets messages that were published from now on. */
async function untilAllFlow(ledgers: ReadonlyMap<string, Ledger>): Promise<void> {
  const from = new Map([...ledgers].map(([name, { published }]) => [name, published]));
  await waitFor(
    () => [...ledgers].every(([name, { last }]) => last > from.get(name)!),
    { timeoutMs: 60_000, what: "messages on every channel" },
  );
}

Deno.test("shard channels while their slots move: every message comes, or a gap is told", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  for (const way of await waysOf(cluster)) {
    await using manager = new RedisConnectionManager({
      ...{ mode: "cluster", nodes: cluster.endpoints },
      databases: { main: {} },
    });
    const { ledgers, stop } = await begin(manager);
    await untilAllFlow(ledgers);
    using watch = new Stopwatch();
    using mover = new SlotMover(cluster, CHANNELS.map(keySlot), way);
    // One after the other: each slot moves twice.
    await waitFor(() => mover.moved >= 2 * CHANNELS.length, {
      timeoutMs: 120_000,
      what: "moves",
    });
    await mover.stop();
    await untilAllFlow(ledgers);
    const { ms } = watch.read();
    await stop();
    for (const [name, { gaps, violations }] of ledgers) {
      assertEquals(violations, [], `${name}, moved ${way}`);
      assert(gaps > 0, `no gap was told of ${name}, moved ${way}`);
    }
    await manager.closeAll();
    assertNothingHeld(manager);
    await report({
      row: 76,
      fault: `shard channels: ${mover.moved} moves of their slots ${way} in ${
        Math.round(ms)
      } ms`,
      outcome: summary(ledgers),
    });
  }
});

for (const how of ["killed", "replaced by its replica as planned"] as const) {
  Deno.test(`shard channels and events about keys while a primary is ${how}`, async () => {
    await using cluster = await ClusterTopology.start({
      ...{ primaries: 3, replicasEach: 1, nodeTimeoutMs: 1000 },
      config: { "notify-keyspace-events": "KEA" },
    });
    await using manager = new RedisConnectionManager({
      ...{ mode: "cluster", nodes: cluster.endpoints },
      databases: { main: {} },
    });
    const client = manager.getClient("main");
    const { ledgers, stop } = await begin(manager);
    let events = 0;
    let gaps = 0;
    await manager.subscribe(
      "main",
      { patterns: ["__keyevent@0__:set"] },
      () => events++,
      {
        onGap: () => gaps++,
      },
    );
    await untilAllFlow(ledgers);
    const [hit] = CHANNELS;
    const old = await cluster.ownerOf(hit!);
    using watch = new Stopwatch();
    if (how === "killed") await old.kill();
    else {
      const [replica] = await cluster.replicasOf(old);
      await replica!.cli("CLUSTER", "FAILOVER");
    }
    await cluster.untilOwnerIsNot(old, hit!);
    await untilAllFlow(ledgers);
    const { ms: recoveredMs } = watch.read();
    await stop();
    for (const [name, { violations }] of ledgers) assertEquals(violations, [], name);
    assert(ledgers.get(hit!)!.gaps > 0, "no gap was told");
    await waitFor(() => gaps > 0, { timeoutMs: 60_000, what: "a gap of the events" });
    events = 0;
    const keys = [...CHANNELS, ...Array.from({ length: 20 }, (_, i) => `k${i}`)];
    for (const key of keys) await client.set(key, 1);
    await waitFor(() => events >= keys.length, { what: "the events of every primary" });
    assertEquals(events, keys.length);
    await manager.closeAll();
    assertNothingHeld(manager);
    await report({
      row: 76,
      fault: `shard channels: a primary ${how}`,
      outcome: summary(ledgers),
      recoveredMs,
    });
  });
}
