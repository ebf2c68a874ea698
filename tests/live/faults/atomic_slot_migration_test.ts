import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../../mod.ts";
import { ClusterTopology } from "../../../src/testing/cluster_topology.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespError, type RespValue } from "../../../src/testing/resp_parser.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import {
  judgeWrites,
  type ToldWrite,
  type WireVerdict,
} from "../../support/wire_verdict.ts";
import { WriteTap } from "../../support/write_tap.ts";
import { report } from "./_report.ts";
import { classify } from "./_token_writers.ts";

/** Counters get INCRs; in the slot of each is a list that gets tokens, each used once. */
const COUNTERS = Array.from({ length: 12 }, (_, i) => `n:${i}`);
const LISTS = COUNTERS.map((name) => `l:{${name}}`);
const KEYS = [...COUNTERS, ...LISTS];
const CALLERS = 40;
/** Clusters that a server process may crash in before a round counts as failed. */
const MOST_CRASHES = 5;

/** Whether the server moves slots as a whole, and can name a relay's port to clients. */
async function canMigrate(): Promise<boolean> {
  await using server = await RedisServer.start();
  const [info] = await server.cli("COMMAND", "INFO", "CLUSTER|MIGRATESLOTS") as unknown[];
  const port = await server.cli("CONFIG", "GET", "cluster-announce-client-port");
  return info !== null && (port as unknown[]).length > 0;
}

/** Moves the slots of the keys. */
class Mover {
  started = 0;
  refused = 0;
  readonly slots: readonly number[];
  readonly #cluster: ClusterTopology;

  constructor(cluster: ClusterTopology, slots: readonly number[]) {
    this.#cluster = cluster;
    this.slots = slots;
  }

  /** The slots that each node has, of those that are moved. */
  async owned(): Promise<Map<RedisServer, number[]>> {
    const owners = await Promise.all(this.slots.map((s) => this.#cluster.ownerOf(s)));
    return Map.groupBy(this.slots, (_, i) => owners[i]!);
  }

  /** The node that has a slot. */
  ownerOf(slot: number): Promise<RedisServer> {
    return this.#cluster.ownerOf(slot);
  }

  /** The node that a slot goes to when it leaves another. */
  nextOf(from: RedisServer): RedisServer {
    const { nodes } = this.#cluster;
    return nodes[(nodes.indexOf(from) + 1) % nodes.length]!;
  }

  /** Begins to move a slot. */
  async move(slot: number): Promise<void> {
    const from = await this.#cluster.ownerOf(slot);
    const to = this.nextOf(from);
    const id = String(await to.cli("CLUSTER", "MYID"));
    const said = await from.cli(
      ...["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", id],
    );
    if (said instanceof RespError) this.refused++;
    else this.started++;
  }

  /** Waits until a slot has another owner. */
  async untilNotOf(slot: number, from: RedisServer): Promise<void> {
    await this.#until(
      "the slot to move",
      async () => await this.#cluster.ownerOf(slot) !== from,
    );
  }

  /** Waits until every migration that was begun has ended, however. */
  async untilNoneMoves(): Promise<void> {
    const isOver = /^(?:success|failed|cancell?ed)$/;
    const isIdle = async (node: RedisServer) => {
      const jobs = await node.cli("CLUSTER", "GETSLOTMIGRATIONS") as RespValue[][];
      return jobs.every((job) => isOver.test(String(job[job.indexOf("state") + 1])));
    };
    await this.#until(
      "the migrations to end",
      async () => (await Promise.all(this.#cluster.nodes.map(isIdle))).every(Boolean),
    );
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const hasEnded = () => this.#cluster.nodes.some(({ running }) => !running);
    const options = { timeoutMs: 60_000, what };
    await waitFor(async () => hasEnded() || await holds(), options);
    assert(!hasEnded(), "a server has ended");
  }
}

/** How slots move in a round. */
type Moves = (mover: Mover) => Promise<void>;

const backToBack: Moves = async (mover) => {
  for (const slot of mover.slots.slice(0, 4)) {
    for (let hop = 0; hop < 4; hop++) {
      const from = await mover.ownerOf(slot);
      await mover.move(slot);
      await mover.untilNotOf(slot, from);
    }
  }
};

const severalOfOneNode: Moves = async (mover) => {
  for (let round = 0; round < 6; round++) {
    const [slots = []] = [...(await mover.owned()).values()]
      .sort((a, b) => b.length - a.length);
    await Promise.all(slots.slice(0, 3).map((slot) => mover.move(slot)));
    await mover.untilNoneMoves();
  }
};

const oneOfEachNode: Moves = async (mover) => {
  for (let round = 0; round < 6; round++) {
    const owned = [...(await mover.owned()).values()];
    await Promise.all(owned.map(([slot]) => mover.move(slot!)));
    await mover.untilNoneMoves();
  }
};

/** How long a word of the old owner is under way in {@linkcode grantedLate}. */
const LATE_MS = 5000;

/** The new owner hears late that it may have the slot: the old one goes on meanwhile. */
const grantedLate: Moves = async (mover) => {
  const slot = mover.slots[0]!;
  const from = await mover.ownerOf(slot);
  const to = mover.nextOf(from);
  await from.cli("CONFIG", "SET", "cluster-manual-failover-timeout", 500);
  // Node to node it goes through a relay as well, which reads along.
  await using relay: FaultProxy = await FaultProxy.start({
    to,
    observer: {
      event: () => {},
      bytes: (_, way, chunk) => {
        const asks = new TextDecoder().decode(chunk).includes("REQUEST-FAILOVER");
        if (way !== "toClient" || !asks) return;
        relay.set({ toServer: { kind: "delay", ms: LATE_MS } });
      },
    },
  });
  await to.cli("CONFIG", "SET", "cluster-announce-port", relay.port);
  const known = () => Deno.readTextFile(`${from.dir}/nodes.conf`);
  await waitFor(async () => (await known()).includes(`:${relay.port}@`));
  await mover.move(slot);
  await mover.untilNotOf(slot, from);
  await mover.untilNoneMoves();
};

/** What became of a round. */
interface Round {
  readonly verdict: WireVerdict;
  readonly told: readonly ToldWrite[];
  readonly mover: Mover;
  readonly redirects: number;
  /** What a server process logged when it crashed: then nothing is known of what it had. */
  readonly crash: string | undefined;
}

/** What the log of a server that has ended by itself says of it. */
async function crashOf(cluster: ClusterTopology): Promise<string | undefined> {
  const dead = () => cluster.nodes.find(({ running }) => !running);
  const node = await waitFor(dead, { timeoutMs: 10_000 }).catch(() => undefined);
  const lines = (await node?.log())?.split("\n") ?? [];
  return lines.find((line) => /^.*(?:==> |crashed by signal)/.test(line))
    ?.replace(/^.*?# (?:==> )?/, "");
}

/** Runs moves under load, on a cluster of their own with a relay before each node. */
async function run(moves: Moves): Promise<Round> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(
    await ClusterTopology.start({
      primaries: 3,
      replicasEach: 0,
      // A server that crashes would test its memory for ten seconds first.
      config: { "crash-memcheck-enabled": "no" },
    }),
  );
  const tap = new WriteTap(KEYS);
  const nodes: { host: string; port: number }[] = [];
  for (const node of cluster.nodes) {
    const recorder = tap.recorderOf(String(node.port));
    const relay = stack.use(await FaultProxy.start({ to: node, observer: recorder }));
    await cluster.announceToClients(node, relay.port);
    nodes.push(relay);
  }
  const manager = new RedisConnectionManager({
    mode: "cluster",
    nodes: nodes.map(({ host, port }) => ({ host, port })),
    databases: { main: { db: 0 } },
  });
  stack.defer(async () => void await manager.closeAll({ drainMs: 0 }));
  const client = manager.getClient("main");
  const told: ToldWrite[] = [];
  const write = async (key: string, token: string | undefined) => {
    const call = token === undefined ? client.incr(key) : client.rpush(key, token);
    const own = { key, ...token === undefined ? {} : { token } };
    try {
      told.push({ ...own, outcome: "acknowledged", reply: await call });
    } catch (error) {
      told.push({ ...own, outcome: classify(error) });
    }
  };
  let isRunning = true;
  const callers = Promise.all(Array.from({ length: CALLERS }, async (_, i) => {
    for (let n = i; isRunning; n++) {
      const key = KEYS[n % KEYS.length]!;
      await write(key, key.startsWith("l") ? `${i}-${n}` : undefined);
      if (n % 20 === 0) await delay(1);
    }
  }));
  callers.catch(() => {}); // awaited below, whatever comes first
  const mover = new Mover(
    cluster,
    await Promise.all(COUNTERS.map((name) => cluster.slotOf(name))),
  );
  let crash: string | undefined;
  try {
    await moves(mover);
    await delay(300);
  } catch (error) {
    crash = await crashOf(cluster);
    if (crash === undefined) throw error;
  } finally {
    isRunning = false;
  }
  await callers;
  const kept = new Map<string, number | string[]>();
  for (const key of crash === undefined ? KEYS : []) {
    const owner = await cluster.ownerOf(key);
    kept.set(
      key,
      key.startsWith("l")
        ? await owner.cli("LRANGE", key, 0, -1) as string[]
        : Number(await owner.cli("GET", key)),
    );
  }
  const { redirects } = manager.getStatistics().databaseStats.main!;
  await manager.closeAll();
  for (const node of cluster.nodes.filter(({ running }) => running)) {
    await assertNoConnectionsLeft(node, "mooring:");
  }
  const verdict = judgeWrites({ wire: tap.commands, told, kept });
  return { verdict, told, mover, redirects, crash };
}

const isMigrating = await canMigrate();

/**
 * Judged by what relays saw: callers must be told what servers said to their commands, and
 * nothing may run twice, or unasked. Only a write that a server acknowledged on the wire and
 * did not keep is allowed, and reported: no client can know of it.
 */
function migration(
  name: string,
  moves: Moves,
  check: (verdict: WireVerdict) => void = () => {},
): void {
  Deno.test({
    name:
      `slots that move as a whole, ${name}: each caller is told what the server said, and no write runs twice`,
    ignore: !isMigrating,
    fn: async () => {
      const crashes: string[] = [];
      for (;;) {
        const { verdict, told, mover, redirects, crash } = await run(moves);
        const { wrong, forgotten } = verdict;
        assertEquals(wrong, []);
        if (crash !== undefined) {
          crashes.push(crash);
          console.log(`A server process has crashed: ${crash}`);
          assert(crashes.length < MOST_CRASHES, crashes.join("\n"));
          continue;
        }
        if (forgotten.length > 0) {
          console.log(["Servers forgot:", ...forgotten.slice(0, 3)].join("\n"));
        }
        check(verdict);
        assert(redirects > 0);
        const count = (outcome: string) =>
          told.filter((each) => each.outcome === outcome).length;
        await report({
          row: 37,
          fault: `${mover.started} atomic slot migrations under load, ${name}, ` +
            `${mover.refused} refused`,
          outcome: `${count("acknowledged")} acknowledged, ${count("ambiguous")} ` +
            `ambiguous, ${redirects} redirects, 0 doubles; servers forgot ` +
            `${forgotten.length} and crashed ${crashes.length} times`,
        });
        return;
      }
    },
  });
}

migration("one after the other", backToBack);
migration("several of one node at once", severalOfOneNode);
migration("one of each node at once", oneOfEachNode);
migration("granted late", grantedLate, ({ forgotten }) => {
  const has = (pattern: RegExp) => forgotten.some((each) => pattern.test(each));
  assert(has(/ was given by /) && has(/ is at place /), "the servers forgot nothing");
});
