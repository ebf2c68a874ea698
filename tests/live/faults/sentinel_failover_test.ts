import { within } from "../../../src/testing/wait.ts";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type ConnectionLease,
  type ManagerOptions,
  type RedisClient,
  RedisConnectionManager,
  RedisManagerError,
} from "../../../mod.ts";
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { Ledger } from "../../support/accounting.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import { runChild } from "./_child.ts";
import { report } from "./_report.ts";
import { assertTook, Stopwatch } from "./_stage.ts";
import { classify, durableWrite, TokenWriters } from "./_token_writers.ts";

const CALLERS = 100;
/** Writers that ask for each write whether the replica has it. */
const DURABLE = Array.from({ length: 4 }, (_, i) => `durable:${i}`);

function managerOf(redis: SentinelTopology, options: ManagerOptions = {}) {
  return new RedisConnectionManager({
    mode: "sentinel",
    nodes: redis.endpoints,
    sentinelName: redis.name,
    commandTimeoutMs: 10_000,
    connectTimeoutMs: 2000,
    databases: { main: { db: 0 } },
    ...options,
  });
}

/** Callers that mix GET and INCR until they are stopped; every failure must be ours. */
class Load implements Disposable {
  readonly ledger = new Ledger();
  readonly #callers: Promise<void>[];
  #running = true;
  /** How many INCRs each server acknowledged, and the highest reply of each. */
  readonly eras: { acknowledged: number; highest: number }[] = [
    { acknowledged: 0, highest: 0 },
  ];
  /** When an INCR was acknowledged last. */
  lastAckAt = 0;
  /** Longest time between two acknowledged INCRs since {@linkcode mark}. */
  longestGapMs = 0;

  constructor(client: RedisClient) {
    this.#callers = Array.from({ length: CALLERS }, (_, i) => this.#call(client, i));
  }

  /** How many were acknowledged. */
  get acknowledged(): number {
    return this.eras.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  mark(): void {
    this.longestGapMs = 0;
    this.lastAckAt = performance.now();
  }

  /** From now on another server answers. */
  beginEra(): void {
    this.eras.push({ acknowledged: 0, highest: 0 });
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#callers);
  }

  [Symbol.dispose](): void {
    this.#running = false;
  }

  async #call(client: RedisClient, i: number): Promise<void> {
    while (this.#running) {
      if (i % 2 === 0) {
        await client.get("n").catch((error) =>
          assertInstanceOf(error, RedisManagerError)
        );
      } else {
        await this.ledger.run("n", async () => {
          const reply = await client.incr("n");
          const now = performance.now();
          this.longestGapMs = Math.max(this.longestGapMs, now - this.lastAckAt);
          this.lastAckAt = now;
          const era = this.eras.at(-1)!;
          era.acknowledged++;
          era.highest = Math.max(era.highest, reply);
          return reply;
        }, { classify });
      }
      await delay(2);
    }
  }
}

async function assertNothingLeft(redis: SentinelTopology): Promise<void> {
  const running = [...redis.servers, ...redis.sentinels].filter(({ running }) => running);
  for (const server of running) await assertNoConnectionsLeft(server, "mooring:");
}

/** How soon an INCR is acknowledged when the new primary takes writes, in milliseconds. */
const RECOVERY_MS = 1500;

/**
 * When the manager noticed, and when an INCR was acknowledged on the new primary: at the
 * latest soon after that takes writes itself.
 */
async function follow(
  manager: RedisConnectionManager,
  load: Load,
  decide: () => Promise<RedisServer>,
) {
  // On a busy machine the sentinels may change their minds, and so more than once.
  const moves: number[] = [];
  const movedAt = new Promise<number>((resolve) =>
    manager.addEventListener("failover", () => {
      moves.push(performance.now());
      resolve(moves[0]!);
    })
  );
  const decided = await decide();
  const decidedAt = performance.now();
  const noticedAt = await within(movedAt, 30_000, "the failover event");
  const noticedMs = Math.max(0, noticedAt - decidedAt);
  // With min-replicas-to-write it does when the old one has become its replica.
  await waitFor(async () => await decided.cli("SET", "probe", 1) === "OK", {
    what: "the new primary to take writes",
    timeoutMs: 90_000,
    everyMs: 5,
  });
  using watch = new Stopwatch();
  const readyAt = performance.now();
  await waitFor(() => load.lastAckAt > readyAt, {
    what: "a write on the new primary",
    timeoutMs: 30_000,
    everyMs: 5,
  });
  watch.assertWithin(
    { most: RECOVERY_MS },
    "the recovery of a primary that takes writes",
  );
  const recoveredMs = load.lastAckAt - decidedAt;
  return { decided, decidedAt, moves, noticedMs, recoveredMs };
}

/**
 * What of the durable writers' writes was lost, in words. Each is there once if it was
 * acknowledged and a replica had it, whatever the replication of the others lost.
 */
async function judgeDurable(
  writers: TokenWriters,
  primary: RedisServer,
  moves: readonly number[],
): Promise<string> {
  await writers.stop();
  const books = await writers.books(async (key) =>
    await primary.cli("LRANGE", key, 0, -1) as string[]
  );
  const { acknowledged, confirmed, lost } = books;
  const { doubles, ghosts, strangers, pending } = books;
  const shown = Deno.inspect({ ...books, failures: writers.failures.slice(0, 3) });
  assertEquals([doubles, ghosts, strangers, pending], [[], [], [], []], shown);
  assertEquals(lost.filter((each) => each.confirmed), [], shown);
  assert(confirmed > 0, shown);
  // The new primary keeps what it acknowledges; a lease of the old one may be held still.
  for (const { begunAt } of lost) assert(begunAt < moves.at(-1)!, shown);
  return `of ${confirmed} writes that a replica confirmed (WAIT) 0 lost, of ` +
    `${acknowledged - confirmed} others ${lost.length}`;
}

/**
 * Replication is asynchronous: what the primary acknowledged and had not passed on when it
 * died is gone, how much of it no client can know. So each server is held to its own books:
 * the highest reply of the dead one, and what the new one has beyond what it had when the
 * old one died. What replication lost is the difference, and is reported.
 */
Deno.test("the primary is killed under load, and writes resume on the new one", async () => {
  // Time to look at the heir before it is the primary, on a busy machine too.
  await using redis = await SentinelTopology.start({ quick: true, downAfterMs: 3000 });
  {
    await using manager = managerOf(redis);
    const old = await redis.primary();
    using load = new Load(manager.getClient("main"));
    using durable = new TokenWriters(DURABLE, durableWrite(manager, false));
    await waitFor(
      () => load.acknowledged > CALLERS && durable.confirmed > 0,
      { timeoutMs: 60_000 },
    );
    load.mark();
    const killedAt = performance.now();
    manager.addEventListener("failover", () => load.beginEra(), { once: true });
    await old.kill();
    const [heir] = redis.servers.filter((server) => server !== old);
    // Before the sentinels decide, and after the last byte of the old primary.
    await waitFor(async () =>
      (await heir!.info("replication")).master_link_status === "down"
    );
    const [base, role] = await heir!.pipeline([["GET", "n"], ["ROLE"]]);
    assertEquals((role as string[])[0], "slave", "it was looked at too late");
    const { decided, decidedAt, moves, noticedMs, recoveredMs } = await follow(
      manager,
      load,
      () => redis.untilPrimaryIsNot(old),
    );
    await delay(300);
    await load.stop();
    const kept = await judgeDurable(durable, decided, moves);
    const verdict = await load.ledger.verdict(async (name) =>
      Number(await decided.cli("GET", name))
    );
    const { ambiguous, applied, pending } = verdict;
    const [before, after] = load.eras as [Load["eras"][0], Load["eras"][0]];
    const books = Deno.inspect({ before, after, base, verdict });
    assertEquals([load.eras.length, pending, decided], [2, 0, heir], books);
    assert(before.acknowledged <= before.highest, books);
    assert(before.highest <= before.acknowledged + ambiguous, books);
    const since = applied - Number(base);
    assert(after.acknowledged > 0 && after.acknowledged <= since, books);
    assert(since <= after.acknowledged + ambiguous, books);
    const lost = Math.max(0, before.highest - Number(base));
    assertEquals(manager.getPoolStatistics("main").inFlight, 0);
    await report({
      row: 36,
      fault: "sentinel: primary killed",
      outcome: `${verdict.acknowledged} acknowledged, ${ambiguous} ambiguous, ` +
        `${lost} lost by replication, 0 doubles; ${kept}; the sentinels took ` +
        `${Math.round(decidedAt - killedAt)} ms`,
      noticedMs,
      recoveredMs,
    });
  }
  await assertNothingLeft(redis);
});

/**
 * SENTINEL FAILOVER does not pause writes on the old primary (the server's own FAILOVER
 * would): from the promotion of its replica until it is told of it, it acknowledges writes
 * that it discards when it follows the new one. No client can know of them; all that it
 * can do is leave as soon as the new primary is announced. With `min-replicas-to-write`
 * the old primary refuses writes from the moment on in which it sees its replica leave:
 * then no more is lost than what the replica had not read by then. How much that is no
 * client can bound; what it can do is ask behind a write (WAIT) whether the replica has it:
 * such a write is never lost.
 */
for (const guarded of [false, true]) {
  const how = guarded ? "with min-replicas-to-write" : "as the servers come";
  Deno.test(`in a planned failover, ${how}, nothing runs twice and the old primary is left at once`, async () => {
    const config = { "min-replicas-to-write": guarded ? "1" : "0" };
    await using redis = await SentinelTopology.start({ quick: true, config });
    {
      await using manager = managerOf(redis);
      using load = new Load(manager.getClient("main"));
      using durable = new TokenWriters(DURABLE, durableWrite(manager, false));
      await waitFor(
        () => load.acknowledged > CALLERS && durable.confirmed > 0,
        { timeoutMs: 60_000 },
      );
      load.mark();
      const found = await follow(manager, load, () => redis.failover());
      const { decided, moves, noticedMs, recoveredMs } = found;
      await delay(300);
      await load.stop();
      const kept = await judgeDurable(durable, decided, moves);
      const verdict = await load.ledger.verdict(async (name) =>
        Number(await decided.cli("GET", name))
      );
      const { acknowledged, ambiguous, doubles, lost, pending, rejected } = verdict;
      assertEquals([doubles, pending], [0, 0], Deno.inspect(verdict));
      assertEquals(rejected > 0, guarded, `${rejected} writes refused`);
      await report({
        row: 36,
        fault: `sentinel: planned failover${guarded ? ", min-replicas-to-write" : ""}`,
        outcome:
          `${acknowledged} acknowledged, ${ambiguous} ambiguous, ${lost} lost by ` +
          `replication, 0 doubles; ${kept}; longest gap ` +
          `${Math.round(load.longestGapMs)} ms`,
        noticedMs,
        recoveredMs,
      });
    }
    await assertNothingLeft(redis);
  });
}

Deno.test("a primary that stands still is left when the sentinels have decided, with its leases and an open breaker", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  {
    await using manager = managerOf(redis, {
      // Without the failover's own doing, it would stay open for a minute.
      circuitBreakerThreshold: 1,
      circuitBreakerTimeoutMs: 60_000,
      commandTimeoutMs: 500,
      acquireTimeoutMs: 30_000,
    });
    const client = manager.getClient("main");
    const patient = client.with({ timeoutMs: 20_000 });
    const old = await redis.primary();
    const held = await manager.acquire("main");
    const idle = await manager.acquire("main");
    const returned = await manager.acquire("main");
    idle.release();
    assertEquals(await patient.incr("n"), 1);
    const moved = Promise.withResolvers<number>();
    // What is given back when the old primary is left is nobody's any more.
    const following = Promise.withResolvers<Promise<ConnectionLease>>();
    manager.addEventListener("failover", () => {
      moved.resolve(performance.now());
      returned.release();
      following.resolve(manager.acquire("main"));
    }, { once: true });
    old.pause();
    const error = await client.incr("n").catch((error) => error);
    assertInstanceOf(error, RedisManagerError);
    assertEquals(error.delivery, "ambiguous");
    assertEquals(
      manager.getHealthStatus().databases.main!.circuitBreaker,
      "open",
    );
    const next = await redis.untilPrimaryIsNot(old);
    using watch = new Stopwatch();
    const decidedAt = performance.now();
    const movedAt = await within(moved.promise, 30_000, "the failover event");
    const noticedMs = Math.max(0, movedAt - decidedAt);
    await waitFor(() => client.incr("n").catch(() => undefined), {
      what: "a write on the new primary",
      timeoutMs: 30_000,
      everyMs: 5,
    });
    const recovery = watch.read();
    assertTook(recovery, { most: RECOVERY_MS }, "the recovery");
    const isNew = async (lease: ConnectionLease) => {
      const info = await lease.client.info("server");
      assert(info.includes(`tcp_port:${next.port}\r\n`), info);
    };
    {
      await using lease = await (await following.promise);
      await isNew(lease);
    }
    // What was leased from the old one is over, and the next lease is at the new one.
    const gone = await waitFor(
      () => held.client.ping().then(() => undefined, (error) => error),
      { what: "the held lease to end" },
    );
    assertInstanceOf(gone, RedisManagerError);
    held.release();
    {
      await using lease = await manager.acquire("main");
      await isNew(lease);
    }
    assert((manager.getPoolStatistics("main").evictions.moved ?? 0) >= 2);
    old.resume();
    await report({
      row: 36,
      fault: "sentinel: primary stopped",
      outcome: "left at once, breaker closed, leases ended",
      noticedMs,
      recoveredMs: recovery.ms,
    });
  }
  await assertNothingLeft(redis);
});

Deno.test("a process that listened to a sentinel ends by itself after closeAll", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  const { code, text } = await runChild("_closing_child.ts", [
    JSON.stringify({
      mode: "sentinel",
      nodes: redis.endpoints,
      sentinelName: redis.name,
    }),
  ]);
  assertEquals([code, text.trim()], [0, "closed"]);
  await assertNothingLeft(redis);
});
