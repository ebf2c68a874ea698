import { assert, assertEquals } from "@std/assert";
import type { RedisConnectionManager } from "../../../mod.ts";
import { withManager } from "../../support/managed.ts";
import { seededRandom } from "../../unit/pool/random.ts";

const SEED = 515;
const STEPS = 300;

/** Holds the public numbers to what must be true of them at every instant. */
function check(manager: RedisConnectionManager): void {
  const s = manager.getPoolStatistics("main");
  const told = JSON.stringify(s);
  const closed = Object.values(s.evictions).reduce((sum, count) => sum + count, 0);
  const present = s.lanes + s.leases + s.idleConnections + s.connecting;
  assertEquals(s.createdConnections, closed + present, told);
  assertEquals(s.inUseConnections, s.lanes + s.leases, told);
  assertEquals(
    s.availableConnections,
    s.idleConnections + s.maxConnections - present,
    told,
  );
  assert(present <= s.maxConnections, told);
}

Deno.test(`manager.getPoolStatistics() adds up after every step, seed ${SEED}`, () =>
  withManager(
    { databases: { main: { db: 0, maxConnections: 4, idleTimeoutMs: 1 } } },
    async ({ manager, server }) => {
      const { pick } = seededRandom(SEED);
      const client = manager.getClient("main");
      const held: Awaited<ReturnType<typeof manager.acquire>>[] = [];
      // Some fail: their connection is killed, or cannot be opened for that.
      const asked: Promise<unknown>[] = [];
      const ask = (promise: Promise<unknown>) => asked.push(promise.catch(() => {}));
      const steps: (() => unknown)[] = [
        () => ask(manager.acquire("main").then((lease) => void held.push(lease))),
        () => held.pop()?.release(),
        () => held.shift()?.destroy(),
        () => ask(client.incr("n")),
        () => ask(client.blpop("nothing", 0.01)),
        () => manager.cleanupIdleConnections(),
        () => server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
      ];
      for (let step = 0; step < STEPS; step++) {
        const pending = pick(steps)!();
        check(manager);
        if (step % 3 === 0) await pending;
        check(manager);
        if (held.length > 2) held.pop()!.release();
        check(manager);
      }
      const over = Promise.all(asked).then(() => true);
      const tick = () => new Promise((resolve) => setTimeout(resolve, 1));
      for (let isOver = false; !isOver;) {
        while (held.length > 0) held.pop()!.release();
        check(manager);
        isOver = await Promise.race([over, tick().then(() => false)]);
      }
      while (held.length > 0) held.pop()!.release();
      check(manager);
      const { leases, waiting } = manager.getPoolStatistics("main");
      assertEquals([leases, waiting], [0, 0]);
    },
  ));
