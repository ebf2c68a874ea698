import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { RedisConnectionManager, RedisManagerError } from "../../../mod.ts";
import { deliveryOf } from "../../support/accounting.ts";
import { assertNoConnectionsLeft, delay, waitFor } from "../../support/clients.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { Relay } from "../../support/relay.ts";
import { RespError, type RespValue } from "../../support/resp_parser.ts";
import { ClusterTopology } from "../../support/topology.ts";
import {
  judgeWrites,
  type ToldWrite,
  type WireVerdict,
} from "../../support/wire_verdict.ts";
import { WriteTap } from "../../support/write_tap.ts";
import { report } from "./_report.ts";

/** Counters get INCRs, lists get RPUSHes of tokens that are used once. */
const KEYS = Array.from({ length: 12 }, (_, i) => `${i % 2 === 0 ? "n" : "l"}:${i}`);
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

  /** Begins to move a slot. */
  async move(slot: number): Promise<void> {
    const from = await this.#cluster.ownerOf(slot);
    const { nodes } = this.#cluster;
    const to = nodes[(nodes.indexOf(from) + 1) % nodes.length]!;
    const id = String(await to.cli("CLUSTER", "MYID"));
    const said = await from.cli(
      ...["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", id],
    );
    if (said instanceof RespError) this.refused++;
    else this.started++;
  }

  /** Waits until every migration that was begun has ended, however. */
  async untilNoneMoves(): Promise<void> {
    const isOver = /^(?:success|failed|cancell?ed)$/;
    const isIdle = async (node: RedisServer) => {
      const jobs = await node.cli("CLUSTER", "GETSLOTMIGRATIONS") as RespValue[][];
      return jobs.every((job) => isOver.test(String(job[job.indexOf("state") + 1])));
    };
    await waitFor(async () => {
      assert(this.#cluster.nodes.every(({ running }) => running), "a server has ended");
      return (await Promise.all(this.#cluster.nodes.map(isIdle))).every(Boolean);
    }, { timeoutMs: 60_000, what: "the migrations to end" });
  }
}

/** How slots move in a round. */
type Moves = (mover: Mover) => Promise<void>;

const backToBack: Moves = async (mover) => {
  for (const slot of mover.slots.slice(0, 4)) {
    for (let hop = 0; hop < 4; hop++) {
      await mover.move(slot);
      await mover.untilNoneMoves();
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
    const relay = stack.use(await Relay.start({ to: node, recorder }));
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
      assertInstanceOf(error, RedisManagerError);
      told.push({ ...own, outcome: deliveryOf(error) });
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
    await Promise.all(KEYS.map((key) => cluster.slotOf(key))),
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
function migration(name: string, moves: Moves): void {
  Deno.test({
    name:
      `slots that move as a whole, ${name}: each caller is told what the server said, and no write runs twice`,
    ignore: !isMigrating,
    fn: async () => {
      const crashes: string[] = [];
      for (;;) {
        const { verdict, told, mover, redirects, crash } = await run(moves);
        assertEquals(verdict.wrong, []);
        if (crash !== undefined) {
          crashes.push(crash);
          console.log(`A server process has crashed: ${crash}`);
          assert(crashes.length < MOST_CRASHES, crashes.join("\n"));
          continue;
        }
        if (verdict.forgotten.length > 0) {
          console.log(`Servers forgot:\n${verdict.forgotten.join("\n")}`);
        }
        assert(redirects > 0);
        const count = (outcome: string) =>
          told.filter((each) => each.outcome === outcome).length;
        await report({
          row: 37,
          fault: `${mover.started} atomic slot migrations under load, ${name}, ` +
            `${mover.refused} refused`,
          outcome: `${count("acknowledged")} acknowledged, ${count("ambiguous")} ` +
            `ambiguous, ${redirects} redirects, 0 doubles; servers forgot ` +
            `${verdict.forgotten.length} and crashed ${crashes.length} times`,
        });
        return;
      }
    },
  });
}

migration("one after the other", backToBack);
migration("several of one node at once", severalOfOneNode);
migration("one of each node at once", oneOfEachNode);
