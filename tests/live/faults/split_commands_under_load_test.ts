import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  PartialError,
  type RedisClient,
  RedisConnectionManager,
  RedisManagerError,
} from "../../../mod.ts";
import { keySlot } from "../../../src/cluster/slots.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { primariesOf, SlotMover, waysOf } from "./_cluster_moves.ts";
import { report } from "./_report.ts";
import { Stopwatch } from "./_stage.ts";

const CALLERS = 20;
/** Slots that all callers use, and that move. */
const TAGS = Array.from({ length: 12 }, (_, i) => `{${i}}`);
const SLOTS = TAGS.map(keySlot);

type Told = "acknowledged" | "ambiguous" | "never-sent" | "rejected";

/** What callers were told of each key that they wrote, each once, by MSET over all slots. */
class Writers implements Disposable {
  readonly told = new Map<string, Told>();
  readonly failures: Error[] = [];
  readonly removed = { calls: 0, wrong: [] as string[] };
  firstFailureAt: number | undefined;
  readonly #client: RedisClient;
  readonly #running: Promise<unknown>;
  #isOn = true;

  constructor(client: RedisClient) {
    this.#client = client;
    this.#running = Promise.all(
      Array.from(
        { length: CALLERS },
        (_, i) => i % 4 === 0 ? this.#remove(i) : this.#write(i),
      ),
    );
    this.#running.catch(() => {}); // stop() tells
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#running;
  }

  [Symbol.dispose](): void {
    this.#isOn = false;
  }

  get acknowledged(): number {
    return [...this.told.values()].filter((each) => each === "acknowledged").length;
  }

  async #write(caller: number): Promise<void> {
    for (let n = 0; this.#isOn; n++) {
      const keys = TAGS.map((tag) => `${tag}${caller}:${n}`);
      const pairs = Object.fromEntries(keys.map((key) => [key, key]));
      // In pipelines, too.
      const isPiped = n % 5 === 0;
      try {
        if (!isPiped) await this.#client.mset(pairs);
        else {
          const replies = await this.#client.pipeline().mset(pairs).exec();
          const [error] = replies![0]!;
          if (error !== null) throw error;
        }
        for (const key of keys) this.told.set(key, "acknowledged");
      } catch (error) {
        this.#note(error as Error, keys);
      }
      await delay(5);
    }
  }

  #note(error: Error, keys: readonly string[]): void {
    this.failures.push(error);
    this.firstFailureAt ??= performance.now();
    assertInstanceOf(error, RedisManagerError);
    if (!(error instanceof PartialError)) {
      for (const key of keys) this.told.set(key, error.delivery!);
      return;
    }
    assertEquals(error.parts.flatMap((part) => part.keys!).sort(), keys.toSorted());
    for (const part of error.parts) {
      const told = part.ok ? "acknowledged" : part.delivery;
      for (const key of part.keys as readonly string[]) this.told.set(key, told);
    }
  }

  /** Writes keys and removes them: a DEL that ran twice counts fewer than there were. */
  async #remove(caller: number): Promise<void> {
    for (let n = 0; this.#isOn; n++) {
      const keys = TAGS.map((tag) => `${tag}gone:${caller}:${n}`);
      try {
        await this.#client.mset(Object.fromEntries(keys.map((key) => [key, n])));
        const count = await this.#client[n % 2 === 0 ? "del" : "unlink"](keys);
        this.removed.calls++;
        if (count !== keys.length) this.removed.wrong.push(`${caller}:${n} ${count}`);
      } catch (error) {
        this.firstFailureAt ??= performance.now();
        assertInstanceOf(error, RedisManagerError);
      }
      await delay(5);
    }
  }
}

async function onCluster(
  replicasEach: number,
  row: (cluster: ClusterTopology, manager: RedisConnectionManager) => Promise<void>,
): Promise<void> {
  await using cluster = await ClusterTopology.start({
    replicasEach,
    nodeTimeoutMs: replicasEach === 0 ? 30_000 : 2000,
  });
  {
    await using manager = new RedisConnectionManager({
      mode: "cluster",
      nodes: cluster.endpoints,
      databases: { main: {} },
    });
    await row(cluster, manager);
    const { connecting, inFlight, leases, waiting } = manager.getPoolStatistics("main");
    assertEquals([connecting, inFlight, leases, waiting], [0, 0, 0, 0]);
  }
  for (const node of cluster.nodes) {
    if (node.running) await assertNoConnectionsLeft(node, "mooring:");
  }
}

/** Keys that are not as their callers were told. */
async function wrongOf(client: RedisClient, { told }: Writers): Promise<string[]> {
  const keys = [...told.keys()];
  const values = await client.mget(keys);
  return keys.filter((key, i) => {
    if (values[i] !== null && values[i] !== key) return true;
    const outcome = told.get(key)!;
    if (outcome === "ambiguous") return false;
    return (values[i] === key) !== (outcome === "acknowledged");
  });
}

Deno.test("commands over many slots are right while slots move: no caller notices, nothing runs twice", () =>
  onCluster(0, async (cluster, manager) => {
    const client = manager.getClient("main");
    for (const way of await waysOf(cluster)) {
      using mover = new SlotMover(cluster, SLOTS, way);
      using writers = new Writers(client);
      const sizes: number[] = [];
      await waitFor(async () => {
        sizes.push(await client.dbsize());
        await delay(20);
        return mover.moved >= 2 * SLOTS.length && writers.removed.calls > 50;
      }, { timeoutMs: 120_000, what: `slots to move ${way}` });
      await writers.stop();
      await mover.stop();
      assertEquals(writers.failures.map(String), []);
      assertEquals(writers.removed.wrong, []);
      assertEquals(await wrongOf(client, writers), []);
      assert(Math.max(...sizes) <= writers.told.size + CALLERS * TAGS.length);
      assertEquals(await client.exists([...writers.told.keys()]), writers.told.size);
      const { moved } = mover;
      await report({
        row: 37,
        fault:
          `MSET, MGET, DEL over ${TAGS.length} slots while ${moved} slots move ${way}`,
        outcome: `${writers.told.size} keys acknowledged, 0 failed, 0 lost; ` +
          `${writers.removed.calls} DEL and UNLINK, none ran twice`,
      });
      assertEquals(await client.flushall(), "OK");
      assertEquals(await client.dbsize(), 0);
    }
  }));

Deno.test("a primary that is killed under commands over many slots: each key is there or is told", () =>
  onCluster(1, async (cluster, manager) => {
    const client = manager.getClient("main");
    using writers = new Writers(client);
    await waitFor(() => writers.acknowledged > 2000, { timeoutMs: 60_000 });
    const old = await cluster.ownerOf(SLOTS[0]!);
    const onOld = new Set<string>();
    for (const tag of TAGS) if (await cluster.ownerOf(tag) === old) onOld.add(tag);
    assert(onOld.size > 0 && onOld.size < TAGS.length);
    const before = new Set(writers.told.keys());
    // It dies with commands in its hands: those that wait for it may all be served later.
    old.pause();
    await waitFor(() => manager.getPoolStatistics("main").inFlight > 0);
    const killedAt = performance.now();
    await old.kill();
    // A command for the whole cluster says which node it did not reach.
    const partial = await client.script("LOAD", "return 1").catch((error) => error);
    if (partial instanceof PartialError) {
      const failed = partial.parts.filter(({ ok }) => !ok);
      assertEquals(failed.map(({ node }) => node), [`${old.host}:${old.port}`]);
    }
    await cluster.untilOwnerIsNot(old, TAGS[0]!);
    const during = new Set(writers.told.keys());
    using watch = new Stopwatch();
    const pairs = Object.fromEntries(TAGS.map((tag) => [`${tag}after`, 1]));
    await waitFor(() => client.mset(pairs).then(() => true, () => false), {
      timeoutMs: 30_000,
      what: "writes on all slots",
    });
    const { ms: recoveredMs } = watch.assertWithin({ most: 3000 }, "the recovery");
    await delay(500);
    await writers.stop();
    // What the primary acknowledged and had not passed on died with it; nothing else is lost.
    const wrong = await wrongOf(client, writers);
    const isLost = (key: string) =>
      writers.told.get(key) === "acknowledged" && during.has(key) &&
      onOld.has(key.slice(0, key.indexOf("}") + 1));
    assertEquals(wrong.filter((key) => !isLost(key)), []);
    assert(wrong.length < before.size / 10, `${wrong.length} lost by replication`);
    const partials = writers.failures.filter((error) => error instanceof PartialError);
    assert(partials.length > 0, "nobody was told of a part");
    for (const { parts } of partials) {
      const failed = parts.filter((part) => !part.ok).flatMap(({ keys }) => keys!);
      for (const key of failed as string[]) {
        assert(onOld.has(key.slice(0, key.indexOf("}") + 1)), key);
      }
    }
    const sha = await client.script("LOAD", "return 2");
    for (const node of await primariesOf(cluster)) {
      assertEquals(await node.cli("SCRIPT", "EXISTS", `${sha}`), [1]);
    }
    const count = (told: Told) =>
      [...writers.told.values()].filter((each) => each === told).length;
    await report({
      row: 37,
      fault: `cluster primary killed under MSET over ${TAGS.length} slots`,
      outcome: `${count("acknowledged")} keys acknowledged, ${count("ambiguous")} ` +
        `ambiguous, ${
          count("never-sent")
        } never sent; ${partials.length} calls failed in ` +
        `part; ${wrong.length} lost by replication, 0 otherwise`,
      ...(writers.firstFailureAt === undefined
        ? {}
        : { noticedMs: writers.firstFailureAt - killedAt }),
      recoveredMs,
    });
  }));
