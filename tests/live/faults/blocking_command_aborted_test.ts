/** A blocking command is cut short while an element arrives for it: nothing is lost. */
import { assertEquals } from "@std/assert";
import {
  CommandAbortedError,
  CommandTimeoutError,
  ManagerClosedError,
  type RedisClient,
  RedisConnectionManager,
} from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor, within } from "../../../src/testing/wait.ts";
import { Random } from "../../support/random.ts";
import { report } from "./_report.ts";
import { IS_FULL, onStage } from "./_stage.ts";

const TIMES = Number(Deno.env.get("MOORING_FAULT_REPETITIONS") ?? 300);
/** The others have the same way through the code: fewer of each are enough. */
const FEWER = IS_FULL ? TIMES : Math.ceil(TIMES / 10);
/** What has not settled by then never will: no deadline here is as long. */
const STUCK_MS = 15_000;

/** A blocking command, what gives it an element, and how many elements the server has. */
interface Kind {
  readonly take: (client: RedisClient) => Promise<unknown>;
  readonly give: (client: RedisClient) => Promise<unknown>;
  /** Elements that nobody got; takes them away. */
  readonly left: (client: RedisClient) => Promise<number>;
}

const popAll = async (client: RedisClient, ...keys: string[]) => {
  let count = 0;
  for (const key of keys) count += await client.llen(key);
  await client.del(...keys);
  return count;
};
const list = (take: Kind["take"], ...targets: string[]): Kind => ({
  take,
  give: (client) => client.rpush("q", "v"),
  // What was moved before the caller was told no has moved: the value is there.
  left: (client) => popAll(client, "q", ...targets),
});
const sortedSet = (take: Kind["take"]): Kind => ({
  take,
  give: (client) => client.zadd("z", 1, "m"),
  left: async (client) => {
    const count = await client.zcard("z");
    await client.del("z");
    return count;
  },
});

const KINDS: Readonly<Record<string, Kind>> = {
  BLPOP: list((client) => client.blpop("q", 0)),
  BRPOP: list((client) => client.brpop("q", 0)),
  "call BLPOP": list((client) => client.call("BLPOP", "q", "0")),
  BLMPOP: list((client) => client.blmpop(0, 1, "q", "LEFT")),
  BZPOPMIN: sortedSet((client) => client.bzpopmin("z", 0)),
  BZPOPMAX: sortedSet((client) => client.bzpopmax("z", 0)),
  BZMPOP: sortedSet((client) => client.bzmpop(0, 1, "z", "MIN")),
  BLMOVE: list((client) => client.blmove("q", "to", "LEFT", "RIGHT", 0)),
  BRPOPLPUSH: list((client) => client.brpoplpush("q", "to", 0)),
  XREADGROUP: {
    take: (client) =>
      client.xreadgroup("GROUP", "g", "me", "BLOCK", 0, "STREAMS", "x", ">"),
    give: (client) => client.xadd("x", "*", "f", "v"),
    left: async (client) => {
      // What nobody was given: it is no pending entry of a consumer who does not know.
      const rest = await client.xreadgroup("GROUP", "g", "rest", "STREAMS", "x", ">");
      const count = rest === null ? 0 : 1;
      for (const id of await pendingIds(client)) await client.xack("x", "g", id);
      return count;
    },
  },
  XREAD: {
    take: (client) => client.xread("BLOCK", 0, "STREAMS", "x", "$"),
    give: (client) => client.xadd("x", "*", "f", "v"),
    // It reads: whatever becomes of it, the entry is there.
    left: () => Promise.resolve(1),
  },
};

async function pendingIds(client: RedisClient): Promise<string[]> {
  const rows = await client.xpending("x", "g", "-", "+", 100) as [string][];
  return rows.map(([id]) => id);
}

/** What became of all tries. */
interface Tally {
  delivered: number;
  kept: number;
  ambiguous: number;
  lost: number;
}

const isBlocked = (server: RedisServer) =>
  waitFor(async () => (await server.info("clients")).blocked_clients !== "0", {
    everyMs: 0,
    what: "a blocked client",
  });

/**
 * Takes, gives and cuts short, again and again.
 *
 * @param cut Cuts a command short at the moment at which an element is given.
 */
async function tryOften(
  stage: { server: RedisServer; client: RedisClient; kind: Kind; times: number },
  cut: (take: Kind["take"], give: () => Promise<unknown>) => Promise<unknown>,
): Promise<Tally> {
  const { client, kind, times } = stage;
  const tally: Tally = { delivered: 0, kept: 0, ambiguous: 0, lost: 0 };
  await client.xgroup("CREATE", "x", "g", "$", "MKSTREAM").catch(() => {});
  for (let n = 0; n < times; n++) {
    let given: Promise<unknown> | undefined;
    const taken = cut(kind.take, () => given = kind.give(client));
    const outcome = await within(
      taken.then((value) => ({ value }), (error) => ({ error })),
      STUCK_MS,
      "a command that was cut short",
    );
    await given;
    const left = await kind.left(client);
    if ("value" in outcome && outcome.value !== null) tally.delivered++;
    else if (left > 0) tally.kept++;
    else if ("error" in outcome && outcome.error.delivery === "ambiguous") {
      tally.ambiguous++;
    } else tally.lost++;
  }
  return tally;
}

for (const [name, kind] of Object.entries(KINDS)) {
  const times = name === "BLPOP" ? TIMES : FEWER;
  Deno.test(`${name} aborted in the same turn in which an element arrives: 0 of ${times} lost`, () =>
    onStage({}, async ({ server, manager }) => {
      const client = manager.getClient("main");
      const tally = await tryOften(
        { server, client, kind, times },
        async (take, give) => {
          const stop = new AbortController();
          const taken = take(client.with({ signal: stop.signal }));
          await isBlocked(server);
          void give();
          stop.abort();
          return await taken;
        },
      );
      assertEquals([tally.lost, tally.ambiguous], [0, 0], JSON.stringify(tally));
      // It came before the server was asked to end the wait.
      assertEquals(tally.delivered, times);
      // Its connection is free once the server has answered to UNBLOCK, too.
      await waitFor(() => manager.getPoolStatistics("main").leases === 0);
      if (name !== "BLPOP") return;
      await report({
        row: 54,
        fault: "BLPOP aborted while an element arrives",
        outcome: `${times} of ${times} delivered, 0 lost`,
      });
    }));
}

Deno.test(`BLPOP aborted at any moment around the element's arrival: 0 of ${TIMES} lost`, () =>
  onStage({}, async ({ server, manager }) => {
    const client = manager.getClient("main");
    const random = new Random(53);
    const reason = new Error("enough");
    const tally = await tryOften(
      { server, client, kind: KINDS.BLPOP!, times: TIMES },
      async (take, give) => {
        const stop = new AbortController();
        const taken = take(client.with({ signal: stop.signal }));
        taken.catch(() => {});
        const steps = [() => void give(), () => stop.abort(reason)];
        if (random.below(2) === 0) steps.reverse();
        for (const step of steps) {
          for (let hops = random.below(4); hops > 0; hops--) await null;
          if (random.below(2) === 0) await delay(random.below(3));
          step();
        }
        return await taken;
      },
    );
    assertEquals([tally.lost, tally.ambiguous], [0, 0], JSON.stringify(tally));
    await waitFor(() => manager.getPoolStatistics("main").leases === 0);
  }));

Deno.test("BLPOP aborted while nothing arrives rejects with the signal's reason, and its lease goes on", () =>
  onStage({}, async ({ server, manager }) => {
    const client = manager.getClient("main");
    for (let n = 0; n < 20; n++) {
      const stop = new AbortController();
      const taken = client.with({ signal: stop.signal }).blpop("q", 0);
      if (n % 2 === 0) await isBlocked(server);
      const reason = new Error("enough");
      stop.abort(reason);
      assertEquals(await taken.catch((error) => error), reason);
    }
    await waitFor(() => manager.getPoolStatistics("main").leases === 0);
    assertEquals(manager.getPoolStatistics("main").evictions.discarded, 0);
  }));

Deno.test("BLPOP aborted without any other command: a lane is opened to ask for its end", () =>
  onStage({}, async ({ server, manager }) => {
    const stop = new AbortController();
    const taken = manager.getClient("main").with({ signal: stop.signal }).blpop("q", 0);
    await isBlocked(server);
    stop.abort(new Error("enough"));
    assertEquals((await taken.catch((error) => error)).message, "enough");
    assertEquals(manager.getPoolStatistics("main").createdConnections, 2);
  }));

Deno.test(`BLPOP that expires while an element arrives: 0 of ${FEWER} lost`, () =>
  onStage({}, async ({ server, manager }) => {
    const client = manager.getClient("main");
    const random = new Random(54);
    const tally = await tryOften(
      { server, client, kind: KINDS.BLPOP!, times: FEWER },
      async (take, give) => {
        const timeoutMs = 15 + random.below(5);
        const taken = take(client.with({ timeoutMs }));
        taken.catch(() => {});
        await delay(timeoutMs - random.below(5));
        void give();
        return await taken;
      },
    );
    assertEquals(tally.lost, 0, JSON.stringify(tally));
  }));

Deno.test("BLPOP that expires while nothing arrives says that it took nothing", () =>
  onStage({}, async ({ manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    const taken = client.with({ timeoutMs: 1000 }).blpop("q", 0);
    const error = await taken.catch((error) => error);
    assertEquals(error instanceof CommandTimeoutError, true, String(error));
    assertEquals([error.delivery, error.timeoutMs], ["rejected", 1000]);
    await client.rpush("q", "v");
    assertEquals(await client.llen("q"), 1);
  }));

Deno.test("BLPOP whose deadline passes while it waits for a lease is never sent", () =>
  onStage({ manager: { maxConnections: 2 } }, async ({ manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    await using _only = await manager.acquire("main");
    const taken = client.with({ timeoutMs: 50 }).blpop("q", 0);
    const error = await within(taken.catch((error) => error), 2500, "a BLPOP");
    assertEquals([error.code, error.delivery], ["COMMAND_TIMEOUT", "never-sent"]);
    const stop = new AbortController();
    const other = client.with({ signal: stop.signal }).blpop("q", 0);
    const reason = new Error("enough");
    setTimeout(() => stop.abort(reason), 10);
    assertEquals(await within(other.catch((error) => error), 2500, "a BLPOP"), reason);
    assertEquals(manager.getPoolStatistics("main").waiting, 0);
  }));

Deno.test("BLPOP aborted while the server hangs is ambiguous within a second, and its connection ends", () =>
  onStage({}, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    const stop = new AbortController();
    const taken = client.with({ signal: stop.signal }).blpop("q", 0);
    await isBlocked(server);
    server.pause();
    const reason = new Error("enough");
    stop.abort(reason);
    const error = await within(taken.catch((error) => error), STUCK_MS, "a BLPOP");
    server.resume();
    assertEquals(error instanceof CommandAbortedError, true, String(error));
    assertEquals([error.delivery, error.cause], ["ambiguous", reason]);
    assertEquals(manager.getPoolStatistics("main").leases, 0);
  }));

Deno.test("BLPOP whose connection is lost while it is aborted is ambiguous", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    const stop = new AbortController();
    const taken = client.with({ signal: stop.signal }).blpop("q", 0);
    await isBlocked(server);
    const blocked = relay.connections.at(-1)!;
    blocked.set({ toClient: { kind: "cut", afterBytes: 0, how: "reset" } });
    await client.rpush("q", "v");
    stop.abort();
    const error = await within(taken.catch((error) => error), STUCK_MS, "a BLPOP");
    assertEquals(error.delivery, "ambiguous", String(error));
  }));

Deno.test("WAIT aborted ends on the server, and its lease goes on", () =>
  onStage({}, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.set("k", "v");
    const stop = new AbortController();
    const waiting = client.with({ signal: stop.signal }).wait(1, 0);
    await isBlocked(server);
    const reason = new Error("enough");
    stop.abort(reason);
    assertEquals(await waiting.catch((error) => error), reason);
    await waitFor(async () => (await server.info("clients")).blocked_clients === "0");
    await waitFor(() => manager.getPoolStatistics("main").leases === 0);
  }));

Deno.test("UNBLOCK never hits the next command of the same connection", () =>
  onStage({ manager: { maxConnections: 2 } }, async ({ server, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    for (let n = 0; n < FEWER; n++) {
      const stop = new AbortController();
      const first = client.with({ signal: stop.signal }).blpop("q", 0);
      await isBlocked(server);
      // There is one lease: the next one gets it when the first is over.
      const next = client.blpop("other", 0);
      void client.rpush("q", "v");
      stop.abort();
      assertEquals(await first.catch((error) => error), ["q", "v"]);
      await isBlocked(server);
      void client.rpush("other", "w");
      assertEquals(await next, ["other", "w"]);
    }
  }));

Deno.test(`manager.closeAll() while elements arrive for blocked commands: 0 of ${FEWER} lost`, async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  await using other = new RedisConnectionManager({
    host,
    port,
    databases: { main: {} },
  });
  const tally = await tryOften(
    { server, client: other.getClient("main"), kind: KINDS.BLPOP!, times: FEWER },
    async (take, give) => {
      const manager = new RedisConnectionManager({ host, port, databases: { main: {} } });
      const taken = take(manager.getClient("main"));
      taken.catch(() => {});
      await isBlocked(server);
      const given = give();
      const closed = manager.closeAll();
      await Promise.all([given, closed]);
      return await taken.catch((error) => {
        assertEquals(error instanceof ManagerClosedError, true, String(error));
        throw error;
      });
    },
  );
  assertEquals([tally.lost, tally.ambiguous], [0, 0], JSON.stringify(tally));
});

Deno.test("manager.closeAll() right after a BLPOP was sent leaves no consumer and no promise", async () => {
  await using server = await RedisServer.start();
  const { host, port } = server;
  for (let n = 0; n < 20; n++) {
    const manager = new RedisConnectionManager({ host, port, databases: { main: {} } });
    const client = manager.getClient("main");
    await client.ping();
    if (n % 2 === 0) (await manager.acquire("main")).release();
    const taken = client.blpop("q", 0).catch((error) => error);
    for (let hops = n; hops > 0; hops--) await null;
    await within(manager.closeAll(), STUCK_MS, "closeAll()");
    const error = await within(taken, STUCK_MS, "a BLPOP");
    assertEquals(error instanceof ManagerClosedError, true, String(error));
  }
  await waitFor(async () => (await server.info("clients")).blocked_clients === "0");
});
