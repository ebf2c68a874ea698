/** The ledgers find planted faults among correct writes, on a busy machine too. */
import { assert, assertEquals } from "@std/assert";
import { RedisConnectionManager } from "../../mod.ts";
import { FaultProxy } from "../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../src/testing/wait.ts";
import { BusyProcesses } from "../support/busy.ts";
import { PubSubChecker } from "./pubsub_checker.ts";
import { type Balance, WriteLedger } from "./write_ledger.ts";

const BUSY = 3;
const CALLERS = 12;
const WRITES = 40;

/** What a client under test may do wrong once. */
const LIES = {
  none: <T>(send: () => Promise<T>) => send(),
  double: async <T>(send: () => Promise<T>) => {
    await send();
    return await send();
  },
  // The value of no increment.
  loss: <T>(_send: () => Promise<T>) => Promise.resolve(-1 as T),
  "a stranger's reply": async <T>(send: () => Promise<T>, last: unknown) => {
    await send();
    return last as T;
  },
  ghost: async <T>(send: () => Promise<T>): Promise<T> => {
    await send();
    throw Object.assign(new Error("said to be never sent"), { delivery: "never-sent" });
  },
} as const;

type Lie = keyof typeof LIES;

/** Sends honestly, but for once. */
class Liar {
  readonly #lie: Lie;
  #count = 0;
  #last: unknown;

  constructor(lie: Lie) {
    this.#lie = lie;
  }

  async send<T>(send: () => Promise<T>): Promise<T> {
    const isHonest = ++this.#count !== CALLERS * WRITES / 2;
    const reply = await LIES[isHonest ? "none" : this.#lie](send, this.#last);
    return this.#last = reply;
  }
}

interface Stage {
  readonly server: RedisServer;
  readonly relay: FaultProxy;
  readonly manager: RedisConnectionManager;
}

async function onBusyMachine(run: (stage: Stage) => Promise<void>): Promise<void> {
  await using _busy = new BusyProcesses(BUSY);
  await using server = await RedisServer.start();
  await using relay = await FaultProxy.start({ to: server });
  await using manager = new RedisConnectionManager({
    databases: { main: { db: 0, host: relay.host, port: relay.port } },
    // A machine this busy may keep a command waiting; this tests the ledgers.
    commandTimeoutMs: 60_000,
  });
  await run({ server, relay, manager });
}

/** Makes the same write by many callers at once. */
async function writeAll(write: () => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    for (let i = 0; i < WRITES; i++) await write();
  }));
}

/** The result of a ledger if one write of each kind reports a wrong outcome. */
async function balanceWith({ server, manager }: Stage, lie: Lie): Promise<Balance> {
  const client = manager.getClient("main");
  const ledger = new WriteLedger(`${lie}`);
  const counted = new Liar(lie);
  const logged = new Liar(lie);
  const pushed = new Liar(lie);
  await Promise.all([
    writeAll(() => ledger.count("n", (key) => counted.send(() => client.incr(key)))),
    writeAll(() =>
      ledger.append((key, token) => logged.send(() => client.rpush(key, token)))
    ),
    writeAll(() =>
      ledger.push((key, token) => pushed.send(() => client.rpush(key, token)))
    ),
    writeAll(() => ledger.pop((key) => client.lpop(key))),
  ]);
  return await ledger.close((...command) => server.cli(...command));
}

Deno.test(`WriteLedger finds a planted double, loss, ghost and stranger's reply beside ${BUSY} busy processes`, () =>
  onBusyMachine(async (stage) => {
    const expected: Record<Lie, Pick<Balance, "lost" | "doubles">> = {
      none: { lost: 0, doubles: 0 },
      double: { lost: 0, doubles: 3 },
      loss: { lost: 3, doubles: 0 },
      // A list's length is given again when something is taken off: only counters tell.
      "a stranger's reply": { lost: 0, doubles: 1 },
      ghost: { lost: 0, doubles: 3 },
    };
    for (const [lie, { lost, doubles }] of Object.entries(expected)) {
      const balance = await balanceWith(stage, lie as Lie);
      const { faults } = balance;
      assertEquals([balance.lost, balance.doubles], [lost, doubles], `${lie}: ${faults}`);
      assertEquals(faults.length, lost + doubles, `${lie}: ${faults}`);
    }
  }));

Deno.test(`WriteLedger finds nothing in correct writes that are cut, beside ${BUSY} busy processes`, () =>
  onBusyMachine(async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    const ledger = new WriteLedger("cut");
    let over = false;
    const cutting = (async () => {
      for (let n = 0; !over; n++) {
        const how = n % 2 === 0 ? "reset" : "end";
        const cut = { kind: "cut", afterBytes: n * 37 % 300, how } as const;
        relay.set(n % 4 < 2 ? { toClient: cut } : { toServer: cut });
        await delay(30);
        relay.heal();
        await delay(10);
      }
    })();
    await Promise.all([
      writeAll(() => ledger.count("n", (key) => client.incr(key))),
      writeAll(() => ledger.append((key, token) => client.rpush(key, token))),
    ]);
    over = true;
    await cutting;
    const balance = await ledger.close((...command) => server.cli(...command));
    assertEquals(balance.faults, []);
    assert(balance.acknowledged > 0, "some were written");
    assert(relay.accepted.length > 3, "connections were cut");
  }));

Deno.test(`PubSubChecker finds a message that is kept back, doubled or late, beside ${BUSY} busy processes`, () =>
  onBusyMachine(async ({ manager }) => {
    const client = manager.getClient("main");
    const lies: Record<string, (text: string, pubsub: PubSubChecker) => void> = {
      none: (text, pubsub) => pubsub.onMessage(text),
      "without a gap": () => {},
      "with a gap": (_text, pubsub) => pubsub.onGap(),
      doubled: (text, pubsub) => {
        pubsub.onMessage(text);
        pubsub.onMessage(text);
      },
    };
    const expected: Record<string, RegExp[]> = {
      none: [],
      "without a gap": [/^message 20 is missing before 21, no gap was reported$/],
      "with a gap": [],
      doubled: [/^message 20 came after 20$/],
    };
    for (const [name, lie] of Object.entries(lies)) {
      const faults: string[] = [];
      const pubsub = new PubSubChecker((what) => faults.push(what));
      let last = 0;
      await using _subscription = await manager.subscribe("main", [name], (text) => {
        last = Number(text);
        if (last === 20) lie(text, pubsub);
        else pubsub.onMessage(text);
      });
      for (let i = 0; i < WRITES; i++) {
        await pubsub.publish((text) => client.publish(name, text));
      }
      await waitFor(() => last === WRITES);
      const told = expected[name]!;
      assertEquals(faults.length, told.length, `${name}: ${faults}`);
      for (const [i, fault] of faults.entries()) assert(told[i]!.test(fault), fault);
    }
  }));
