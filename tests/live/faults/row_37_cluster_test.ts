import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { RedisConnectionManager, RedisManagerError } from "../../../mod.ts";
import { Ledger } from "../../support/accounting.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import type { RedisServer } from "../../support/redis_server.ts";
import { ClusterTopology } from "../../support/topology.ts";
import { report } from "./_report.ts";
import { QUICK_RETRY } from "./_stage.ts";

const CALLERS = 60;
/** Counters of many slots. */
const COUNTERS = Array.from({ length: 30 }, (_, i) => `n:${i}`);

/** What callers were told while a row ran. */
interface Load {
  readonly ledger: Ledger;
  readonly failures: unknown[];
  /** When the first failure was told, on the monotonic clock. */
  firstFailureAt: number | undefined;
  /** Ends it; all callers have been told by then. */
  stop(): Promise<void>;
}

/** Half of the callers increment, half read, counters of many slots. */
function load(manager: RedisConnectionManager): Load {
  const client = manager.getClient("main");
  let running = true;
  const state: Load = {
    ledger: new Ledger(),
    failures: [],
    firstFailureAt: undefined,
    stop: async () => {
      running = false;
      await Promise.all(callers);
    },
  };
  const notice = (error: unknown) => {
    state.firstFailureAt ??= performance.now();
    state.failures.push(error);
  };
  const caller = async (i: number) => {
    for (let n = i; running; n += 7) {
      const name = COUNTERS[n % COUNTERS.length]!;
      if (i % 2 === 0) await client.get(name).catch(notice);
      else {
        await state.ledger.run(name, () =>
          client.incr(name).catch((error) => {
            notice(error);
            throw error;
          }));
      }
      await delay(2);
    }
  };
  const callers = Array.from({ length: CALLERS }, (_, i) => caller(i));
  return state;
}

async function onCluster(
  row: (cluster: ClusterTopology, manager: RedisConnectionManager) => Promise<void>,
): Promise<void> {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 1 });
  {
    await using manager = new RedisConnectionManager({
      mode: "cluster",
      nodes: cluster.endpoints,
      commandTimeoutMs: 3000,
      connectTimeoutMs: 1000,
      connectRetry: QUICK_RETRY,
      circuitBreakerTimeoutMs: 300,
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

/** What the cluster says of a counter, asked of the node that has it. */
function appliedOn(cluster: ClusterTopology): (name: string) => Promise<number> {
  return async (name) => Number(await (await cluster.ownerOf(name)).cli("GET", name));
}

Deno.test("row 37: a primary killed under load is followed to its replica, and each INCR counts once or is told", () =>
  onCluster(async (cluster, manager) => {
    const client = manager.getClient("main");
    const running = load(manager);
    await delay(500);
    const name = COUNTERS[0]!;
    const old = await cluster.ownerOf(name);
    // What a primary acknowledged and has not copied is lost with it: no client can help.
    await old.cli("CLIENT", "PAUSE", 300, "WRITE");
    await waitFor(() => isCopied(cluster, old));
    const killedAt = performance.now();
    await old.kill();
    await cluster.untilOwnerIsNot(old, name);
    const movedAt = performance.now();
    await waitFor(() => client.incr("after:{n:0}").then(() => true, () => false), {
      timeoutMs: 10_000,
      what: "a write at the new primary",
    });
    const recoveredMs = performance.now() - movedAt;
    await delay(500);
    await running.stop();
    const verdict = await running.ledger.assert(appliedOn(cluster));
    for (const error of running.failures) assertInstanceOf(error, RedisManagerError);
    assert(verdict.acknowledged > 10 * CALLERS, `acknowledged ${verdict.acknowledged}`);
    assert(recoveredMs < 3000, `recovered after ${recoveredMs} ms`);
    await report({
      row: 37,
      fault: "cluster primary killed under load",
      outcome: `${verdict.acknowledged} acknowledged, ${verdict.ambiguous} ambiguous, ` +
        `${verdict.neverSent} never sent, 0 doubles, 0 lost`,
      noticedMs: (running.firstFailureAt ?? killedAt) - killedAt,
      recoveredMs,
    });
  }));

/** Whether every replica of a paused primary has all that it acknowledged. */
async function isCopied(
  cluster: ClusterTopology,
  primary: RedisServer,
): Promise<boolean> {
  const { master_repl_offset } = await primary.info("replication");
  const replicas = await cluster.replicasOf(primary);
  const offsets = await Promise.all(
    replicas.map(async (replica) =>
      (await replica.info("replication")).slave_repl_offset
    ),
  );
  return offsets.length > 0 && offsets.every((offset) => offset === master_repl_offset);
}

Deno.test("row 37: slots that migrate under load are followed by MOVED and ASK, and no caller notices", () =>
  onCluster(async (cluster, manager) => {
    const running = load(manager);
    await delay(300);
    const slots = new Map<number, string>();
    for (const name of COUNTERS) slots.set(await cluster.slotOf(name), name);
    // Many keys in a slot, so that it is between two nodes for some time.
    const busy = COUNTERS[1]!;
    const client = manager.getClient("main");
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => client.set(`{${busy}}${i}`, i)),
    );
    let moved = 0;
    for (const slot of slots.keys()) {
      const from = await cluster.ownerOf(slot);
      const to = cluster.nodes.slice(0, 3).find((node) => node !== from)!;
      await cluster.moveSlot(slot, to, { pauseMs: slots.get(slot) === busy ? 10 : 2 });
      moved++;
    }
    await delay(100);
    await running.stop();
    const verdict = await running.ledger.assert(appliedOn(cluster));
    assertEquals(running.failures, []);
    assertEquals(verdict.ambiguous, 0);
    for (let i = 0; i < 40; i++) {
      assertEquals(await client.get(`{${busy}}${i}`), String(i));
    }
    const { redirects } = manager.getStatistics().databaseStats.main!;
    assert(redirects >= moved, `${redirects} redirects for ${moved} slots`);
    assert(manager.toPrometheus().includes("mooring_redis_redirects_total"));
    await report({
      row: 37,
      fault: `${moved} cluster slots moved under load`,
      outcome: `${verdict.acknowledged} acknowledged, ${redirects} redirects, 0 failed`,
    });
  }));
