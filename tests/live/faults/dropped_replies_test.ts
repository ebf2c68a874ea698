/** Every place that drops a reply, and what its caller learns: the table of ARCHITECTURE.md. */
import { assert, assertEquals } from "@std/assert";
import type { SubscriptionItem } from "../../../mod.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { onStage, type Stage } from "./_stage.ts";

type Learned = readonly string[];

/** What an error tells: its class and the delivery, or its text if it is the caller's own. */
function told(error: unknown): string {
  const { name, message, delivery } = error as Error & { delivery?: string };
  return delivery === undefined ? message : `${name} ${delivery}`;
}

const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then((value) => Deno.inspect(value), told);

const SWALLOW = { toClient: { kind: "cut", afterBytes: 0, how: "reset" } } as const;
const STALL = { toClient: { kind: "stall" } } as const;
const enough = () => new Error("enough");

async function blocked({ server }: Stage): Promise<void> {
  await waitFor(async () => (await server.info("clients")).blocked_clients === "1");
}

/** A BLPOP that is blocked, with a lane beside it. */
async function blpop(stage: Stage, call: { timeoutMs?: number } = {}) {
  const stop = new AbortController();
  const client = stage.manager.getClient("main");
  await client.ping();
  const taken = outcome(client.with({ ...call, signal: stop.signal }).blpop("q", 0));
  await blocked(stage);
  return { client, stop, taken };
}

const ELEMENT = '[ "q", "v" ]';

/** Each line of the table: makes it happen, and says what the callers were told. */
const LINES: Readonly<
  Record<string, { right: Learned; make: (stage: Stage) => Promise<Learned> }>
> = {
  "the reply of a command whose deadline passed": {
    right: ["CommandTimeoutError ambiguous"],
    make: async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      relay.set(STALL);
      return [await outcome(client.with({ timeoutMs: 50 }).lpop("q"))];
    },
  },
  "the reply of a write that was aborted": {
    right: ["CommandAbortedError ambiguous", "CommandAbortedError ambiguous", "enough"],
    make: async ({ relay, manager }) => {
      const stop = new AbortController();
      const client = manager.getClient("main").with({ signal: stop.signal });
      await client.ping();
      relay.set(STALL);
      const sent = [outcome(client.lpop("q")), outcome(client.spop("s"))];
      await delay(10);
      stop.abort(enough());
      return await Promise.all([...sent, outcome(client.incr("n"))]);
    },
  },
  "the reply of a read that was aborted": {
    right: ["enough"],
    make: async ({ relay, manager }) => {
      const stop = new AbortController();
      const client = manager.getClient("main").with({ signal: stop.signal });
      await client.ping();
      relay.set(STALL);
      const sent = outcome(client.get("k"));
      await delay(10);
      stop.abort(enough());
      return [await sent];
    },
  },
  "the element of a blocking command that was aborted": {
    right: [ELEMENT, "enough", "CommandAbortedError ambiguous"],
    make: async (stage) => {
      const learned: string[] = [];
      for (const how of ["given", "none", "no word"]) {
        const { client, stop, taken } = await blpop(stage);
        if (how === "given") void client.rpush("q", "v");
        if (how === "no word") stage.relay.set(STALL);
        stop.abort(enough());
        learned.push(await taken);
      }
      return learned;
    },
  },
  "the element of a blocking command that expired": {
    right: [ELEMENT, "CommandTimeoutError rejected", "CommandTimeoutError ambiguous"],
    make: async (stage) => {
      const learned: string[] = [];
      for (const how of ["given", "none", "no word"]) {
        const { client, taken } = await blpop(stage, { timeoutMs: 500 });
        if (how === "given") void client.rpush("q", "v");
        if (how === "no word") stage.relay.set(STALL);
        learned.push(await taken);
      }
      return learned;
    },
  },
  "the element of a blocking command when the manager closes": {
    right: [ELEMENT],
    make: async (stage) => {
      const { client, taken } = await blpop(stage);
      void client.rpush("q", "v");
      await stage.manager.closeAll();
      return [await taken];
    },
  },
  "the element of a blocking command on a released lease": {
    right: ["ConnectionLostError ambiguous", "ConnectionLostError ambiguous"],
    make: async (stage) => {
      const learned: string[] = [];
      for (const verb of ["release", "destroy"] as const) {
        const lease = await stage.manager.acquire("main");
        const taken = outcome(lease.client.blpop("q", 0));
        await blocked(stage);
        lease[verb]();
        learned.push(await taken);
      }
      return learned;
    },
  },
  "replies in flight on a released lease": {
    right: ["1"],
    make: async ({ manager }) => {
      const lease = await manager.acquire("main");
      const sent = outcome(lease.client.incr("n"));
      lease.release();
      return [await sent];
    },
  },
  "replies in flight on a destroyed lease": {
    right: ["ConnectionLostError ambiguous"],
    make: async ({ relay, manager }) => {
      const lease = await manager.acquire("main");
      await lease.client.ping();
      relay.set(STALL);
      const sent = outcome(lease.client.incr("n"));
      await delay(10);
      lease.destroy();
      return [await sent];
    },
  },
  "replies in flight on a lost connection": {
    right: ["ConnectionLostError ambiguous", "null"],
    make: async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      relay.connections[0]!.set(SWALLOW);
      return await Promise.all([outcome(client.incr("n")), outcome(client.get("k"))]);
    },
  },
  "replies that are out when a drain is over": {
    right: ["ConnectionLostError ambiguous"],
    make: async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      relay.set(STALL);
      const sent = outcome(client.incr("n"));
      await delay(10);
      await manager.closeAll({ drainMs: 20 });
      return [await sent];
    },
  },
  "the reply of a write that is sent again in vain": {
    right: ["ConnectionLostError ambiguous"],
    make: async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      relay.connections[0]!.set(SWALLOW);
      relay.welcome = "hold";
      return [
        await outcome(client.with({ retryWrites: true, timeoutMs: 400 }).incr("n")),
      ];
    },
  },
  "replies of a pipeline": {
    right: ["PipelineError ambiguous", "ambiguous", "ambiguous"],
    make: async ({ relay, manager }) => {
      await manager.getClient("main").ping();
      relay.connections[0]!.set(SWALLOW);
      const filled = manager.pipeline("main", (p) => void p.incr("n").incr("m"));
      const error = await filled.catch((error) => error);
      const each = error.results.map(({ delivery }: { delivery: string }) => delivery);
      return [told(error), ...each];
    },
  },
  "the reply of EXEC": {
    right: ["ConnectionLostError ambiguous"],
    make: async ({ relay, manager }) => {
      (await manager.acquire("main")).release();
      // A connection's first transaction asks first whether it may begin.
      await manager.transaction("main", (tx) => void tx.incr("n"));
      relay.set(SWALLOW);
      return [await outcome(manager.transaction("main", (tx) => void tx.incr("n")))];
    },
  },
  "more than the server owes": {
    right: ["ProtocolError ambiguous"],
    make: async ({ relay, manager }) => {
      const client = manager.getClient("main");
      await client.ping();
      const [lane] = relay.connections;
      lane!.set({ toServer: { kind: "stall" } });
      const sent = outcome(client.incr("n"));
      await delay(10);
      await lane!.inject(":1\r\n:2\r\n");
      return [await sent];
    },
  },
  "messages while nobody was subscribed": {
    right: ["reconnected"],
    make: async ({ relay, manager }) => {
      await using subscription = await manager.subscribe("main", ["c"]);
      relay.reset();
      return [await firstGap(subscription)];
    },
  },
  "messages for a slow consumer": {
    right: ["overflow 2", "2"],
    make: async ({ server, manager }) => {
      await using slow = await manager.subscribe("main", ["c"], undefined, {
        maxQueued: 1,
      });
      for (let n = 0; n < 3; n++) await server.cli("PUBLISH", "c", `${n}`);
      await waitFor(() => slow.dropped === 2);
      const { dropped } = slow;
      return [await firstGap(slow), String(dropped)];
    },
  },
  "messages that wait when a subscription ends": {
    right: ["2", "a,b"],
    make: async ({ server, manager }) => {
      const left = await manager.subscribe("main", ["c"]);
      const closed = await manager.subscribe("main", ["c"]);
      for (const text of ["a", "b"]) await server.cli("PUBLISH", "c", text);
      await waitFor(() => left.queued === 2 && closed.queued === 2);
      await left.unsubscribe();
      await manager.closeAll();
      const heard: string[] = [];
      for await (const item of closed) {
        if (item.kind === "message") heard.push(item.message);
      }
      return [String(left.dropped), heard.join()];
    },
  },
};

async function firstGap(items: AsyncIterable<SubscriptionItem>): Promise<string> {
  for await (const item of items) {
    if (item.kind === "gap") return [item.reason, item.lost].join(" ").trimEnd();
  }
  return "none";
}

for (const [line, { right, make }] of Object.entries(LINES)) {
  Deno.test(`where a reply is dropped: ${line}`, () =>
    onStage({}, async (stage) => assertEquals(await make(stage), right)));
}

Deno.test("where a reply is dropped: ARCHITECTURE.md lists what is tested", async () => {
  const text = await Deno.readTextFile(
    new URL("../../../ARCHITECTURE.md", import.meta.url),
  );
  const section = text.split("## Where a reply is dropped")[1]!.split("\n## ")[0]!;
  const rows = section.split("\n").filter((line) => line.startsWith("|")).slice(2);
  assert(rows.length > 0);
  assertEquals(rows.map((row) => row.split("|")[1]!.trim()), Object.keys(LINES));
});
