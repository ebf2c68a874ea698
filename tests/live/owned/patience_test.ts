import { assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import {
  AuthError,
  CircuitOpenError,
  CommandAbortedError,
  CommandTimeoutError,
  ConnectionLostError,
  DurabilityError,
  type IORedis,
  OverloadedError,
  ProtocolError,
  RedisConnectionManager,
} from "../../../mod.ts";
import { type Clock, systemClock, type Timer } from "../../../src/core/clock.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor, within } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";
import { onStage } from "../faults/_stage.ts";

/** A breaker that opens after two failures, and attempts that are not far apart. */
const HASTY = {
  circuitBreakerThreshold: 2,
  connectRetry: { attempts: 2, minMs: 10, maxMs: 20 },
};

/** Waits until an ordinary client is refused by the circuit breaker. */
async function whenBreakerIsOpen(manager: RedisConnectionManager): Promise<void> {
  const client = manager.getClient("main");
  await waitFor(async () =>
    await client.get("k").then(() => false, (error) => error instanceof CircuitOpenError)
  );
}

Deno.test("commands wait for a server that is not there yet, in order, and no breaker refuses them", () =>
  onStage({ manager: HASTY }, async ({ manager, relay, server }) => {
    await relay.refuse();
    const client = manager.createClient("main");
    const errors: Error[] = [];
    client.on("error", (error) => errors.push(error));
    let settled = 0;
    const replies = [
      client.set("k", 1),
      client.incr("k"),
      client.multi().incr("k").get("k").exec(),
      client.pipeline().incr("k").get("k").exec(),
      client.blpop("q", 0),
      client.rpush("q", "v"),
      client.incr("k"),
    ];
    for (const reply of replies) reply.finally(() => settled++).catch(() => {});
    const subscriber = client.duplicate();
    const subscribed = subscriber.subscribe("a");
    await whenBreakerIsOpen(manager);
    await waitFor(() => errors.length > 0);
    // Long enough for attempts that fail.
    await delay(300);
    assertEquals(settled, 0);
    await relay.listen();
    assertEquals(await Promise.all<unknown>(replies), [
      "OK",
      2,
      [[null, 3], [null, "3"]],
      [[null, 4], [null, "4"]],
      ["q", "v"],
      1,
      5,
    ]);
    assertEquals(await subscribed, 1);
    assertEquals(await server.cli("PUBLISH", "a", "1"), 1);
    assertEquals(client.status, "ready");
  }));

Deno.test("after an outage of connections that are in use everything goes on", () =>
  onStage({ manager: HASTY }, async ({ manager, relay, server }) => {
    const client = manager.createClient("main");
    const events: string[] = [];
    for (const event of ["ready", "close", "reconnecting"]) {
      client.on(event, () => events.push(event));
    }
    const messages: unknown[] = [];
    client.on("message", (...args) => messages.push(args));
    await client.subscribe("a");
    const read = client.xread("BLOCK", 0, "STREAMS", "s", "0");
    await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
    await relay.refuse();
    relay.reset();
    await waitFor(() => client.status !== "ready");
    const chain = client.multi().set("k", "1").incr("k").exec();
    await whenBreakerIsOpen(manager);
    await relay.listen();
    assertEquals(await chain, [[null, "OK"], [null, 2]]);
    await client.xadd("s", "1-1", "f", "v");
    assertEquals(await read, [["s", [["1-1", ["f", "v"]]]]]);
    await waitFor(async () => await server.cli("PUBLISH", "a", "again") === 1);
    await waitFor(() => messages.length === 1);
    assertEquals(events.slice(0, 3), ["ready", "close", "reconnecting"]);
    assertEquals(events.at(-1), "ready");
  }));

Deno.test("without a deadline a command outlasts socket_timeout, with one it does not", () =>
  withManager(
    { commandTimeoutMs: 100, databases: { main: { db: 0 } } },
    async ({ manager, server }) => {
      const client = manager.createClient("main");
      await client.ping();
      const hasty = manager.createClient("main", { commandTimeout: 50 });
      await hasty.ping();
      await server.cli("CLIENT", "PAUSE", "600", "ALL");
      const [late, patient] = await Promise.allSettled([hasty.get("k"), client.get("k")]);
      assertEquals(patient, { status: "fulfilled", value: null });
      assertInstanceOf((late as PromiseRejectedResult).reason, CommandTimeoutError);
    },
  ));

/** Calls of which the second one goes another way than the first, which is not answered. */
const TWO_WAYS: Readonly<Record<string, [first: string[], second: string[]]>> = {
  "its own connection": [["get", "k"], ["select", "1"]],
  "a blocking one's": [["get", "k"], ["blpop", "list", "0"]],
  "the lanes": [["subscribe", "news"], ["get", "k"]],
  "a subscriber's": [["subscribe", "news"], ["subscribe", "more"]],
};

for (const [way, [first, second]] of Object.entries(TWO_WAYS)) {
  for (const fault of ["swallow", "refuse"] as const) {
    Deno.test(`a command that waits to go ${way} way keeps its deadline (${fault})`, () =>
      onStage({ manager: HASTY }, async ({ manager, relay }) => {
        const client = manager.createClient("main");
        const other = manager.createClient("main", { timeoutMs: 1600 });
        await client.ping();
        await relay[fault]();
        if (fault === "refuse") relay.reset();
        const settled: string[] = [];
        const note = (name: string, call: Promise<unknown>) =>
          call.then(
            () => settled.push(`${name} answered`),
            ({ code }) => settled.push(`${name} ${code}`),
          );
        // The first one is over while the second one waits.
        const calls = [{ timeoutMs: 900, call: first }, { timeoutMs: 1000, call: second }]
          .map(({ call: [name, ...args], timeoutMs }, i) =>
            note(`call ${i}`, client.with({ timeoutMs }).call(name!, ...args))
          );
        await within(Promise.all([...calls, note("later", other.get("k"))]), 20_000, way);
        assertEquals(settled.at(-1), "later COMMAND_TIMEOUT");
        settled.sort();
        assertEquals(settled, [
          ...["call 0", "call 1", "later"].map((name) => `${name} COMMAND_TIMEOUT`),
        ]);
        client.disconnect();
        other.disconnect();
        relay.heal();
        if (fault === "refuse") await relay.listen();
        relay.reset();
      }));
  }
}

Deno.test("a write that may have run is told, a read is sent again", () =>
  onStage({}, async ({ manager, relay, server }) => {
    const client = manager.createClient("main");
    // The first transaction is tried with an empty one.
    assertEquals(await client.multi().set("n", 1).exec(), [[null, "OK"]]);
    relay.set({ toClient: { kind: "swallow" } });
    const write = assertRejects(() => client.incr("n"), ConnectionLostError);
    await waitFor(async () => await server.cli("GET", "n") === "2");
    const read = client.get("n");
    const transaction = assertRejects(() => client.multi().incr("n").exec());
    await waitFor(async () => await server.cli("GET", "n") === "3");
    relay.reset();
    relay.heal();
    assertEquals((await write).delivery, "ambiguous");
    assertEquals((await transaction as ConnectionLostError).delivery, "ambiguous");
    assertEquals(await read, "3");
    assertEquals(await server.cli("GET", "n"), "3");
  }));

for (const options of [{}, { patient: false }, { enableOfflineQueue: false }]) {
  const title = `the deadline of createClient(${
    JSON.stringify(options)
  }) holds on every way, also while commands wait`;
  Deno.test(title, () =>
    onStage({}, async ({ manager, relay }) => {
      const client = manager.createClient("main", { ...options, commandTimeout: 50 });
      await manager.getClient("main").ping();
      relay.swallow();
      const late = (run: () => Promise<unknown>) =>
        assertRejects(() => within(run(), 5000, "a late command"), CommandTimeoutError);
      await late(() => client.get("k"));
      const patient = manager.createClient("main", {
        ...options,
        commandTimeout: 60_000,
      });
      patient.subscribe("a").catch(() => {});
      const waiting = patient.with({ timeoutMs: 50 });
      await late(() => waiting.get("k"));
      await late(() => waiting.blpop("q", 0));
      for (const [error] of (await waiting.pipeline().get("k").set("k", 1).exec())!) {
        assertInstanceOf(error, CommandTimeoutError);
      }
      const reason = new Error("no more");
      const aborting = new AbortController();
      const { signal } = aborting;
      const aborted = patient.with({ signal }).get("k");
      aborting.abort(reason);
      assertEquals(await aborted.catch((error) => error), reason);
      patient.disconnect();
      client.disconnect();
      relay.heal();
      relay.reset();
    }));
}

Deno.test("what is set for a call holds on the connection that a client has alone", () =>
  onStage({}, async ({ manager, relay }) => {
    const client = manager.createClient("main", { db: 2 });
    const confirmed = client.with({ waitReplicas: 1, waitMs: 50 });
    await assertRejects(() => confirmed.set("k", 1), DurabilityError);
    // What reads has nothing to confirm.
    assertEquals(await confirmed.get("k"), "1");
    relay.swallow();
    const aborting = new AbortController();
    const { signal } = aborting;
    const calls = ["get", "set"].map((name) =>
      client.with({ signal }).call(name, ...["k", "v"].slice(0, name === "get" ? 1 : 2))
        .catch((error) => error)
    );
    const reason = new Error("no more");
    aborting.abort(reason);
    const [read, write] = await within(Promise.all(calls), 5000, "aborted calls");
    assertEquals(read, reason);
    assertInstanceOf(write, CommandAbortedError);
    assertEquals(await client.with({ signal }).get("k").catch((error) => error), reason);
    client.disconnect();
    relay.heal();
    relay.reset();
  }));

Deno.test("what runs once waits no longer than the server remembers it", () =>
  onStage(
    { manager: { ...HASTY, commandTimeoutMs: 300 } },
    async ({ manager, relay, server }) => {
      const client = manager.createClient("main");
      const once = client.with({ once: true, onceTtlMs: 400 });
      assertEquals(await once.incr("n"), 1);
      await relay.refuse();
      relay.cut();
      const error = await assertRejects(() => within(once.incr("n"), 10_000, "INCR"));
      assertEquals((error as ConnectionLostError).delivery, "ambiguous");
      relay.heal();
      await relay.listen();
      // It has run, and does not run again.
      assertEquals(await client.get("n"), "2");
      assertEquals(await once.incr("n"), 3);
      assertEquals(await server.cli("GET", "n"), "3");
    },
  ));

Deno.test("a reply that cannot be read fails its command, and is not asked for without end", () =>
  withManager(
    { databases: { main: { db: 0 } }, replyLimits: { maxBulkBytes: 65_536 } },
    async ({ manager, server }) => {
      const client = manager.createClient("main");
      await server.cli("SETRANGE", "large", "65536", "x");
      const error = await assertRejects(() => client.get("large"), ProtocolError);
      assertEquals(error.delivery, "ambiguous");
      assertEquals(await client.strlen("large"), 65_537);
    },
  ));

Deno.test("at most max_waiting commands wait", () =>
  onStage({ manager: { ...HASTY, maxWaiting: 3 } }, async ({ manager, relay }) => {
    await relay.refuse();
    const client = manager.createClient("main");
    const waiting = [1, 2, 3].map((n) => client.set(`k${n}`, n));
    await assertRejects(() => client.set("k4", 4), OverloadedError);
    await relay.listen();
    assertEquals(await Promise.all(waiting), ["OK", "OK", "OK"]);
  }));

Deno.test("patient: false has the deadlines and the breaker of getClient()", () =>
  onStage({ manager: HASTY }, async ({ manager, relay }) => {
    await relay.refuse();
    const client = manager.createClient("main", { enableOfflineQueue: false });
    await whenBreakerIsOpen(manager);
    await assertRejects(() => client.get("k"), CircuitOpenError);
    await relay.listen();
    await client.connect();
    assertEquals(await client.get("k"), null);
  }));

Deno.test("patient: false with timeoutMs has that deadline, not the database's", () =>
  onStage({}, async ({ manager, server }) => {
    const client = manager.createClient("main", { patient: false, timeoutMs: 50 });
    await client.connect();
    server.pause();
    const error = await assertRejects(() => client.set("k", 1), CommandTimeoutError);
    server.resume();
    assertMatch(error.message, /within 50 ms/);
  }));

Deno.test("credentials that the server refuses are told", async () => {
  await using server = await RedisServer.start({ password: "right" });
  const { host, port } = server;
  await using manager = new RedisConnectionManager({
    databases: { main: { host, port, password: "wrong" } },
  });
  const client = manager.createClient("main");
  const error = new Promise<Error>((resolve) => client.once("error", resolve));
  await assertRejects(() => client.get("k"), AuthError);
  await assertRejects(() => client.subscribe("a"), AuthError);
  assertInstanceOf(await error, AuthError);
});

/** The host's time, which jumps ahead on demand. */
class JumpingClock implements Clock {
  readonly #timers = new Set<{ readonly at: number; readonly fire: () => void }>();
  #ahead = 0;
  readonly wallNow = systemClock.wallNow;
  readonly sleep = systemClock.sleep;
  readonly afterPoll = systemClock.afterPoll;

  now(): number {
    return performance.now() + this.#ahead;
  }

  setTimer(fn: () => void, ms: number, ref?: boolean): Timer {
    const fire = () => {
      this.#timers.delete(entry);
      timer.cancel();
      fn();
    };
    const entry = { at: this.now() + ms, fire };
    const timer = systemClock.setTimer(fire, ms, ref);
    this.#timers.add(entry);
    return {
      cancel: () => {
        this.#timers.delete(entry);
        timer.cancel();
      },
    };
  }

  jump(ms: number): void {
    this.#ahead += ms;
    for (const { at, fire } of [...this.#timers]) if (at <= this.now()) fire();
  }
}

Deno.test("a connection that owes replies, and is silent for half a minute, is given up", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  const clock = new JumpingClock();
  const options = { databases: { main: { host, port } } };
  await using manager = new RedisConnectionManager(options, {}, clock);
  const client: IORedis = manager.createClient("main");
  await client.ping();
  // The manager asks a server that it has reached for its limits, a second later.
  clock.jump(1000);
  await waitFor(() => manager.getPoolStatistics("main").inFlight === 0);
  const waiting = client.blpop("q", 0);
  const [row] = await server.clientList("mooring:main:lane");
  // As a middlebox that has forgotten the connection: the server does not answer on it.
  await server.cli("CLIENT", "PAUSE", "60000", "WRITE");
  const write = assertRejects(() => client.set("k", 1), ConnectionLostError);
  await waitFor(async () => (await server.info("clients")).blocked_clients === "2");
  clock.jump(29_000);
  assertEquals(manager.getPoolStatistics("main").inFlight, 1);
  clock.jump(2000);
  assertMatch(String((await write).cause), /no reply for 3\d{4} ms while some were owed/);
  await waitFor(async () => {
    const rows = await server.clientList("mooring:main:lane");
    return rows.length === 0 || rows[0]!.id !== row!.id;
  });
  // Nothing is owed to a command that blocks.
  await server.cli("CLIENT", "UNPAUSE");
  assertEquals(manager.getPoolStatistics("main").leases, 1);
  await client.rpush("q", "v");
  assertEquals(await waiting, ["q", "v"]);
});
