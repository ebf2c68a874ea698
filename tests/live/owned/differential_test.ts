/**
 * Random programs give the same replies, messages and events, in the same order, on a client
 * of `createClient()` as on one of plain ioredis. `MOORING_OWNED_SEED` runs another seed,
 * `MOORING_OWNED_PROGRAMS` another number of programs.
 */
import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { Redis } from "ioredis";
import { type IORedis, RedisConnectionManager } from "../../../mod.ts";
import { Random } from "../../support/random.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor, within } from "../../../src/testing/wait.ts";

const SEED = Number(Deno.env.get("MOORING_OWNED_SEED") ?? 20261129);
const PROGRAMS = Number(Deno.env.get("MOORING_OWNED_PROGRAMS") ?? 12);
/** Steps of one program. */
const STEPS = 25;

/** One run of a program. */
interface Run {
  readonly server: RedisServer;
  readonly client: IORedis;
  /** The outcomes of calls, in order. */
  readonly seen: unknown[];
  /** The messages, in order: they come by another connection than most replies. */
  readonly messages: unknown[];
  /** The events of the client's life. */
  readonly life: string[];
}

/** A step of a program: what to do, and how it is called. */
interface Step {
  readonly name: string;
  readonly run: (run: Run) => Promise<void>;
}

/** A call that is made without waiting for those before it. */
type Call = readonly [name: string, call: (client: IORedis) => unknown];

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** A reply in a form that can be compared. */
function plainly(reply: unknown): unknown {
  // The manager's errors show no arguments.
  if (reply instanceof Error) {
    return `error: ${reply.message.replace(/, with args.*/s, "")}`;
  }
  if (Buffer.isBuffer(reply)) return `buffer: ${reply.toString("latin1")}`;
  if (Array.isArray(reply)) return reply.map(plainly);
  return reply;
}

/** Makes calls in one tick, and notes their outcomes in the order in which they come; those
 * of batches last, as they settle a few turns of the microtask queue later. */
async function callTogether({ client, seen }: Run, calls: readonly Call[]) {
  const batches = await Promise.all(calls.map(async ([name, call]) => {
    let outcome: unknown;
    try {
      outcome = await call(client);
    } catch (error) {
      outcome = error;
    }
    const entry = [name, plainly(outcome)];
    if (/^(?:pipeline|multi) |exec/.test(name)) return [entry];
    seen.push(entry);
    return [];
  }));
  seen.push(...batches.flat());
}

/** A program writes itself, step by step. */
class Author {
  readonly #random: Random;
  #db = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  #key(): string {
    return this.#random.pick(["a", "b", "c", "d"]);
  }

  /** An ordinary command. */
  #command(): Call {
    const key = this.#key();
    const other = this.#key();
    const n = this.#random.below(100);
    const choices: readonly (readonly [string, ...unknown[]])[] = [
      ["set", key, n],
      ["get", key],
      ["getBuffer", key],
      ["incr", key],
      ["append", key, "x"],
      ["del", key, other],
      ["mset", { [key]: n, [other]: n }],
      ["mget", key, other, "none"],
      ["rpush", `l${key}`, n, "y"],
      ["lrange", `l${key}`, 0, -1],
      ["lpop", key],
      ["hset", `h${key}`, { f: n, [`g${n}`]: "é" }],
      ["hgetall", `h${key}`],
      ["exists", key, other],
      ["echo", "€"],
      ["call", "STRLEN", key],
      ["eval", "return {KEYS[1], ARGV[1]}", 1, key, n],
      ["publish", key, n],
      ["nosuchcommand"],
    ];
    const [name, ...args] = this.#random.pick(choices);
    const call = (client: IORedis) => {
      const methods = client as unknown as Methods;
      return name === "nosuchcommand" ? methods.call!(name) : methods[name]!(...args);
    };
    return [`${name} ${JSON.stringify(args)}`, call];
  }

  #batch(kind: "pipeline" | "multi"): Call {
    const commands = Array.from(
      { length: this.#random.between(1, 4) },
      () =>
        this.#random.pick([["set", this.#key(), 1], ["incr", this.#key()], [
          "get",
          this.#key(),
        ], ["lpush", this.#key(), 2]]),
    );
    return [`${kind} ${JSON.stringify(commands)}`, (c) => c[kind](commands).exec()];
  }

  /** Whatever may be called; a callback not among others, as it is called later. */
  #any(isAlone: boolean): Call {
    const channel = this.#key();
    switch (this.#random.below(14)) {
      case 0:
        return [`subscribe ${channel}`, (c) => c.subscribe(channel, "always")];
      case 1:
        return [`unsubscribe ${channel}`, (c) => c.unsubscribe(channel)];
      case 2:
        return [`psubscribe ${channel}*`, (c) => c.psubscribe(`${channel}*`)];
      case 3:
        return [`punsubscribe ${channel}*`, (c) => c.punsubscribe(`${channel}*`)];
      case 4:
        return this.#batch("pipeline");
      case 5:
        return this.#batch("multi");
      case 6:
        return !isAlone ? this.#command() : [
          "callback",
          (c) =>
            new Promise((resolve) => {
              c.get(channel, (error, reply) => resolve([error, reply]));
            }),
        ];
      case 7:
        return [`watch ${channel}`, (c) => c.watch(channel)];
      default:
        return this.#command();
    }
  }

  #together(): Step {
    const calls = Array.from(
      { length: this.#random.between(1, 10) },
      () => this.#any(false),
    );
    return { name: "together", run: (run) => callTogether(run, calls) };
  }

  #oneByOne(): Step {
    const calls = Array.from(
      { length: this.#random.between(1, 5) },
      () => this.#any(true),
    );
    return {
      name: "one by one",
      run: async (run) => {
        for (const call of calls) await callTogether(run, [call]);
      },
    };
  }

  /** A transaction with a watched key, which another client may change. */
  #watched(): Step {
    const key = this.#key();
    const isChanged = this.#random.below(2) === 0;
    const way = this.#random.pick(["chain", "bare", "discard", "unwatch"]);
    const db = this.#db;
    return {
      name: `watched ${way}`,
      run: async (run) => {
        await callTogether(run, [
          ["unwatch", (c) => c.unwatch()],
          ["watch", (c) => c.watch(key)],
          ["get", (c) => c.get(key)],
        ]);
        if (isChanged) {
          const other = new Redis({ host: run.server.host, port: run.server.port, db });
          await other.set(key, 50);
          await other.quit();
        }
        const calls: Record<string, Call[]> = {
          chain: [["exec", (c) => c.multi().set(key, 51).get(key).exec()]],
          bare: [
            ["multi", (c) => c.multi({ pipeline: false })],
            ["set", (c) => c.set(key, 52)],
            ["hgetall", (c) => c.hgetall("h")],
            ["exec", (c) => c.exec()],
          ],
          discard: [
            ["multi", (c) => c.multi({ pipeline: false })],
            ["set", (c) => c.set(key, 53)],
            ["discard", (c) => c.discard()],
          ],
          unwatch: [
            ["unwatch", (c) => c.unwatch()],
            ["exec", (c) => c.multi().set(key, 54).exec()],
            ["bare exec", (c) => c.exec()],
          ],
        };
        await callTogether(run, [...calls[way]!, ["get", (c) => c.get(key)]]);
      },
    };
  }

  /** Blocking commands, which find something, or nothing for a moment. */
  #blocking(): Step {
    const isThere = this.#random.below(2) === 0;
    return {
      name: "blocking",
      run: async (run) => {
        if (isThere) await callTogether(run, [["rpush", (c) => c.rpush("q", "v")]]);
        const calls: Call[] = [
          ["blpop", (c) => c.blpop("q", 0.01)],
          ["xread", (c) => c.xread("BLOCK", 5, "STREAMS", "s", "0")],
          ["blmove", (c) => c.blmove("q", "to", "LEFT", "LEFT", 0.01)],
          ["wait", (c) => c.wait(0, 5)],
        ];
        for (const call of calls) await callTogether(run, [call]);
      },
    };
  }

  #select(): Step {
    const db = this.#db = this.#random.below(3);
    const isInRange = this.#random.below(4) > 0;
    const together = this.#random.below(2) === 0;
    return {
      name: `select ${db}`,
      run: async (run) => {
        const calls: Call[] = [
          ["select", (c) => c.select(isInRange ? db : 99)],
          ["select", (c) => c.select(db)],
          ["set", (c) => c.set("in", db)],
          ["get", (c) => c.get("a")],
        ];
        if (together) await callTogether(run, calls);
        else for (const call of calls) await callTogether(run, [call]);
      },
    };
  }

  /** Ends the client in one way or another, and begins anew. */
  #life(): Step {
    const way = this.#random.pick(["quit", "call quit", "disconnect", "quit twice"]);
    return {
      name: way,
      run: async (run) => {
        const { client, seen } = run;
        const ended = new Promise((resolve) => client.once("end", resolve));
        if (way === "disconnect") client.disconnect();
        else {
          const quits: Call[] = [[
            "quit",
            (c) => way === "quit" ? c.quit() : c.call("QUIT"),
          ]];
          if (way === "quit twice") quits[0] = ["quit", (c) => c.quit()];
          await callTogether(run, [["get", (c) => c.get("a")], ...quits]);
        }
        await ended;
        seen.push(client.status);
        await callTogether(run, [["get", (c) => c.get("a")]]);
        if (way === "quit twice") await callTogether(run, [["again", (c) => c.quit()]]);
        await client.connect();
        seen.push(client.status);
        // Subscriptions are there again by themselves.
        await subscribedAgain(run);
        await callTogether(run, [["get", (c) => c.get("a")]]);
      },
    };
  }

  /** The server cuts every connection of a client that is at rest. */
  #cut(): Step {
    return {
      name: "cut",
      run: async (run) => {
        const { client, life, server } = run;
        await callTogether(run, [["unwatch", (c) => c.unwatch()]]);
        const before = life.length;
        // With one command: a client whose connections are lost one by one may become ready
        // in between.
        const address = `${server.host}:${server.port}`;
        await server.cli("CLIENT", "KILL", "LADDR", address, "SKIPME", "yes");
        await waitFor(() => life.slice(before).includes("ready"));
        await waitFor(() => client.status === "ready");
        await subscribedAgain(run);
        await callTogether(run, [["get", (c) => c.get("a")]]);
      },
    };
  }

  #duplicate(): Step {
    const db = this.#random.below(3);
    return {
      name: "duplicate",
      run: async (run) => {
        const copy = run.client.duplicate({ db, keyPrefix: "p:" });
        const { db: shown, keyPrefix } = copy.options;
        run.seen.push([shown, keyPrefix]);
        await callTogether({ ...run, client: copy }, [
          ["set", (c) => c.set("k", db)],
          ["get", (c) => c.get("k")],
          ["subscribe", (c) => c.subscribe("elsewhere")],
          ["quit", (c) => c.quit()],
        ]);
        await callTogether(run, [["get", (c) => c.get("p:k")]]);
      },
    };
  }

  /** Another client publishes to whoever is subscribed. */
  #publish(): Step {
    const channels = ["a", "b", "c", "always"].map((name) => `${name}`);
    return {
      name: "publish",
      run: async ({ messages, server }) => {
        const before = messages.length;
        let receivers = 0;
        for (const channel of channels) {
          receivers += Number(await server.cli("PUBLISH", channel, "from outside"));
        }
        await waitFor(() => messages.length === before + receivers * 2);
      },
    };
  }

  step(): Step {
    const kinds = [
      ...["together", "together", "together", "oneByOne", "oneByOne", "watched"],
      ...["watched", "blocking", "select", "life", "cut", "duplicate", "publish"],
    ] as const;
    switch (this.#random.pick(kinds)) {
      case "together":
        return this.#together();
      case "oneByOne":
        return this.#oneByOne();
      case "watched":
        return this.#watched();
      case "blocking":
        return this.#blocking();
      case "select":
        return this.#select();
      case "life":
        return this.#life();
      case "cut":
        return this.#cut();
      case "duplicate":
        return this.#duplicate();
      default:
        return this.#publish();
    }
  }
}

/** Waits until the server has as many subscriptions as the client had confirmed. */
async function subscribedAgain({ client, server, seen }: Run): Promise<void> {
  const count = async () => {
    const [channels, patterns] = await Promise.all([
      server.cli("PUBSUB", "CHANNELS"),
      server.cli("PUBSUB", "NUMPAT"),
    ]);
    return (channels as unknown[]).length + Number(patterns);
  };
  // A subscription that is there already tells the number.
  const expected = await client.subscribe("counted");
  await client.unsubscribe("counted");
  await waitFor(async () => await count() === Number(expected) - 1);
  seen.push(["subscriptions", Number(expected) - 1]);
}

/** Runs a program on a client; gives what was seen, and the events of its life. */
async function runOn(
  server: RedisServer,
  client: IORedis,
  seed: number,
): Promise<Pick<Run, "life" | "messages" | "seen">> {
  const seen: unknown[] = [];
  const messages: unknown[] = [];
  const life: string[] = [];
  for (
    const event of [
      ...["wait", "connecting", "connect", "ready", "close", "reconnecting", "end"],
    ]
  ) client.on(event, () => life.push(event));
  client.on("error", (error) => life.push(`error ${error.message}`));
  client.on(
    "message",
    (channel, message) => messages.push(["message", channel, message]),
  );
  client.on("pmessage", (pattern, channel, message) => {
    messages.push(["pmessage", pattern, channel, message]);
  });
  client.on("messageBuffer", (channel: Buffer, message: Buffer) => {
    messages.push(["messageBuffer", plainly(channel), plainly(message)]);
  });
  client.on("pmessageBuffer", (pattern, channel: Buffer, message: Buffer) => {
    messages.push([
      "pmessageBuffer",
      plainly(pattern),
      plainly(channel),
      plainly(message),
    ]);
  });
  await waitFor(() => life.includes("ready"));
  const author = new Author(seed);
  const run: Run = { server, client, seen, messages, life };
  for (let i = 0; i < STEPS; i++) {
    const step = author.step();
    seen.push(`step ${i}: ${step.name}`);
    life.push(`step ${i}: ${step.name}`);
    try {
      await within(step.run(run), 20_000, step.name);
    } catch (error) {
      throw new Error(
        `step ${i} (${step.name}) failed; seen: ${Deno.inspect(seen.slice(-8))}, life: ${
          life.slice(-8)
        }`,
        { cause: error },
      );
    }
  }
  const ended = new Promise((resolve) => client.once("end", resolve));
  await client.quit();
  await ended;
  return { seen, messages, life };
}

/** Compares two runs; shows where they part. */
function assertSame(owned: readonly unknown[], plain: readonly unknown[]): void {
  const at = owned.findIndex((each, i) => Deno.inspect(each) !== Deno.inspect(plain[i]));
  const around = (all: readonly unknown[]) =>
    at < 0 ? all.slice(owned.length) : all.slice(Math.max(0, at - 6), at + 6);
  assertEquals(around(owned), around(plain));
}

for (let program = 0; program < PROGRAMS; program++) {
  const seed = SEED + program;
  Deno.test(`createClient(): a random program goes as on plain ioredis (seed ${seed})`, async () => {
    await using server = await RedisServer.start();
    const { host, port } = server;
    const plain = await runOn(server, new Redis({ host, port }), seed);
    await server.cli("FLUSHALL");
    await using manager = new RedisConnectionManager({
      databases: { main: { host, port } },
    });
    const owned = await runOn(server, manager.createClient("main"), seed);
    assertSame(owned.seen, plain.seen);
    assertSame(owned.messages, plain.messages);
    assertSame(owned.life, plain.life);
    await waitFor(() => manager.getPoolStatistics("main").leases === 0);
  });
}
