import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { LockError, RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { withManager } from "../../support/managed.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";

const MAIN = { databases: { main: {} } };
const CUT = { kind: "cut", afterBytes: 0, how: "reset" } as const;

Deno.test("one holder at a time has a lock, with fencing tokens that grow", () =>
  withManager(MAIN, async ({ manager }) => {
    let holders = 0;
    const tokens: number[] = [];
    await Promise.all(Array.from({ length: 20 }, async () => {
      await using lock = await manager.lock("main", "job", { ttlMs: 20_000 });
      assertEquals(++holders, 1);
      assert(lock.held && !lock.signal.aborted && lock.name === "job");
      tokens.push(lock.fencingToken);
      await delay(2);
      holders--;
    }));
    assertEquals(tokens, [...tokens].sort((a, b) => a - b));
    assertEquals(new Set(tokens).size, 20);
    assert(tokens.every(Number.isSafeInteger));
  }));

Deno.test("a lock is renewed until it is released, and then it is free at once", () =>
  withManager({ ...MAIN, keyPrefix: "app:" }, async ({ manager, server }) => {
    const lock = await manager.lock("main", "job", { ttlMs: 600 });
    await delay(1500);
    assert(lock.held);
    const error = await assertRejects(
      () => manager.lock("main", "job", { waitMs: 0 }),
      LockError,
      "another holder has it",
    );
    assertEquals([error.code, error.lock], ["LOCK", "job"]);
    assertEquals(await lock.release(), true);
    assertEquals([lock.held, lock.signal.aborted], [false, false]);
    assertEquals(await lock.release(), true);
    await using next = await manager.lock("main", "job", { waitMs: 0 });
    assert(next.fencingToken > lock.fencingToken);
    assertEquals(await server.cli("KEYS", "*"), ["app:mooring:lock:job"]);
  }));

Deno.test("tokens grow though the server has lost the last one", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const first = await manager.lock("main", "job");
    await first.release();
    await server.cli("FLUSHALL");
    await using second = await manager.lock("main", "job");
    assert(second.fencingToken > first.fencingToken);
  }));

Deno.test("a lock that another has taken over, or that cannot be renewed, is lost and says so", () =>
  withManager(MAIN, async ({ manager, server }) => {
    const { host, port } = server;
    await using relay = await FaultProxy.start({ to: { host, port } });
    await using cut = new RedisConnectionManager({
      host: relay.host,
      port: relay.port,
      ...MAIN,
    });
    const taken = await manager.lock("main", "taken", { ttlMs: 300 });
    const unreachable = await cut.lock("main", "unreachable", { ttlMs: 300 });
    relay.blackhole();
    await server.cli("DEL", "mooring:lock:taken");
    await waitFor(() => taken.signal.aborted && unreachable.signal.aborted);
    for (const lock of [taken, unreachable]) {
      assertInstanceOf(lock.signal.reason, LockError);
      assertEquals(lock.held, false);
      assertEquals(await lock.release(), false);
    }
    await using _next = await manager.lock("main", "unreachable");
  }));

Deno.test("after a reply that was lost it knows whether it holds the lock", async () => {
  await using server = await RedisServer.start();
  await using relay = await FaultProxy.start({ to: server });
  await using manager = new RedisConnectionManager({
    host: relay.host,
    port: relay.port,
    // Of each attempt to take it, the first connection is cut.
    circuitBreakerThreshold: 1000,
    ...MAIN,
  });
  const client = manager.getClient("main");
  let last = 0;
  for (let round = 0; round < 20; round++) {
    await client.ping();
    relay.connections.at(-1)!.set({ toClient: CUT });
    const lock = await manager.lock("main", "job", { waitMs: 5000 });
    assert(lock.held && lock.fencingToken > last);
    last = lock.fencingToken;
    const value = String(await server.cli("GET", "mooring:lock:job"));
    assertEquals(value.split(" ")[0], String(last));
    await assertRejects(() => manager.lock("main", "job", { waitMs: 0 }), LockError);
    await client.ping();
    relay.connections.at(-1)!.set({ toClient: CUT });
    // It was released by the attempt whose reply was lost.
    await lock.release();
  }
  assert(manager.getStatistics().databaseStats.main!.totalRetryAttempts >= 20);
});

Deno.test("a signal ends the wait and leaves no lock behind", () =>
  withManager(MAIN, async ({ manager }) => {
    const holder = await manager.lock("main", "job");
    const reason = new Error("changed my mind");
    const controller = new AbortController();
    const waiting = manager.lock("main", "job", { signal: controller.signal });
    await delay(30);
    controller.abort(reason);
    assertEquals(await waiting.catch((error) => error), reason);
    await holder.release();
    await using _next = await manager.lock("main", "job", { waitMs: 0 });
  }));

Deno.test("what is no lock is refused", () =>
  withManager(MAIN, async ({ manager }) => {
    await assertRejects(() => manager.lock("main", ""), TypeError, "its name is");
    for (const ttlMs of [99, 100.5, NaN, Infinity]) {
      await assertRejects(() => manager.lock("main", "job", { ttlMs }), RangeError);
    }
    await assertRejects(() => manager.lock("main", "job", { waitMs: -1 }), RangeError);
  }));

Deno.test("locks of a cluster are on the nodes of their names", async () => {
  await using cluster = await ClusterTopology.start({ primaries: 3, replicasEach: 0 });
  await using manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: cluster.endpoints,
    databases: { main: { keyPrefix: "app:" } },
  });
  await Promise.all(["a", "b", "{c}d", "}e", "f{"].map(async (name) => {
    await using lock = await manager.lock("main", name);
    assert(lock.held);
    await assertRejects(() => manager.lock("main", name, { waitMs: 0 }), LockError);
  }));
});
