/**
 * Property, on a modelled server and fake time: whatever happens to a connection, every
 * command settles by its deadline and 100 ms more; and no element is lost without an error.
 */
import { assert, assertEquals } from "@std/assert";
import type { ConnectionLease, IORedis, Subscription } from "../../../mod.ts";
import { RedisConfigLoader } from "../../../src/config/mod.ts";
import { Database } from "../../../src/manager/database.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { ModelServer } from "../../support/model_server.ts";
import { Random } from "../../support/random.ts";
import { Settling } from "../../support/settling.ts";

/** The matrix in full runs more: each takes a second or two. */
const SEQUENCES = Deno.env.get("MOORING_FAULTS") === "full" ? 100 : 12;
const STEPS = 80;
/** A blocking command may take this much longer than it asked for. */
const GRACE_MS = 1000;
/** An aborted one that is blocked waits so long for the server's word at most. */
const ABORT_MS = 1000;

/** Lets what the library does by `process.nextTick` and such happen. */
async function turn(): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** One sequence of steps on a database whose server is a model; all default settings. */
class Sequence {
  readonly #random: Random;
  readonly #clock: FakeClock;
  readonly #server: ModelServer;
  readonly #settling: Settling;
  readonly #config = RedisConfigLoader.fromOptions({ databases: { main: {} } })
    .databases.main!;
  #database: Database;
  readonly #leases: ConnectionLease[] = [];
  readonly #kept: IORedis[] = [];
  readonly #subscriptions: Subscription[] = [];
  readonly #pushed = new Set<string>();
  readonly #popped = new Set<string>();
  #nextElement = 0;
  #unknown = 0;

  constructor(random: Random, clock: FakeClock, settling: Settling) {
    this.#random = random;
    this.#clock = clock;
    this.#settling = settling;
    this.#server = new ModelServer(clock);
    this.#database = this.#makeDatabase();
  }

  async run(steps: number): Promise<void> {
    for (let n = 0; n < steps; n++) {
      const dice = this.#random.below(10);
      if (dice < 2) this.#disturb();
      else if (dice < 6) this.#useClient();
      else this.#useLease();
      // Sometimes longer than a connection may be quiet before it is doubted.
      const pauses = [0, 0, 0, 1, 20, 300, 1500, 6000];
      await this.#pass(this.#random.pick(pauses));
    }
    this.#thaw();
    await this.#pass(40_000);
    for (const lease of this.#leases) if (!lease.released) lease.release();
    const closed = this.#database.close(0);
    await this.#pass(1000);
    await closed;
  }

  /** What went wrong, in words. */
  get troubles(): readonly string[] {
    const { late, pending } = this.#settling;
    const left = this.#server.list("q");
    const lost = [...this.#pushed].filter((element) =>
      !this.#popped.has(element) && !left.includes(element)
    );
    return [
      ...late,
      ...pending.map((what) => `${what} is pending`),
      ...(lost.length > this.#unknown
        ? [`lost ${lost}, and only ${this.#unknown} calls said that they may have run`]
        : []),
    ];
  }

  #makeDatabase(): Database {
    return new Database(this.#config, {
      clock: this.#clock,
      emit: () => {},
      opened: () => {},
      openChannel: this.#server.open,
      nearCaches: new Set(),
    });
  }

  /** Lets time pass, from timer to timer. */
  async #pass(ms: number): Promise<void> {
    await turn();
    for (let leftMs = ms; leftMs > 0;) {
      const step = Math.min(leftMs, Math.max(1, this.#clock.nextInMs ?? leftMs));
      await this.#clock.advance(step);
      await turn();
      leftMs -= step;
    }
  }

  #watch(what: string, deadlineMs: number, work: () => Promise<unknown>): void {
    // What refuses by throwing has settled, too.
    this.#settling.watch(what, deadlineMs, (async () => await work())());
  }

  /** Notes what a command has taken, or may have. */
  async #taking(taken: Promise<unknown>): Promise<void> {
    try {
      const reply = await taken;
      const element = Array.isArray(reply) ? reply[1] : reply;
      if (typeof element === "string") this.#popped.add(element);
    } catch (error) {
      if ((error as { delivery?: string }).delivery === "ambiguous") this.#unknown++;
      throw error;
    }
  }

  #useClient(): void {
    const { commandTimeoutMs: commandMs, acquireTimeoutMs: acquireMs } = this.#config;
    const database = this.#database;
    const { client } = database;
    const shortMs = this.#random.between(10, commandMs);
    const stop = new AbortController();
    this.#clock.setTimer(() => stop.abort(new Error("enough")), shortMs);
    const { signal } = stop;
    const works: [what: string, deadlineMs: number, work: () => Promise<unknown>][] = [
      ["GET", commandMs, () => client.get("k")],
      ["INCR", commandMs, () => client.incr("n")],
      ["execute", commandMs, () => database.execute("SET", ["k", "v"])],
      [
        "GET with a deadline",
        shortMs,
        () => client.with({ timeoutMs: shortMs }).get("k"),
      ],
      [
        "LPOP with a signal",
        shortMs,
        () => this.#taking(client.with({ signal }).lpop("q")),
      ],
      ["pipeline", commandMs, () => client.pipeline().get("k").incr("n").exec()],
      ["multi", commandMs, () => client.multi().get("k").incr("n").exec()],
      [
        "database.pipeline()",
        commandMs,
        () => database.pipeline((p) => void p.get("k").incr("n"), {}),
      ],
      ["BLPOP", acquireMs + 300 + GRACE_MS, () => this.#taking(client.blpop("q", 0.3))],
      [
        "BLPOP with a deadline",
        shortMs,
        () => this.#taking(client.with({ timeoutMs: shortMs }).blpop("q", 0)),
      ],
      [
        "BLPOP with a signal",
        shortMs + ABORT_MS,
        () => this.#taking(client.with({ signal }).blpop("q", 0)),
      ],
      ["WAIT", commandMs + acquireMs + 50 + GRACE_MS, () => client.wait(1, 50)],
      [
        "transaction",
        acquireMs + 5 * commandMs,
        () =>
          database.transaction(async (tx, watched) => {
            await watched.get("k");
            tx.incr("n");
          }, { watch: ["k"] }),
      ],
      ["subscribe", acquireMs + commandMs, async () => {
        const asIs = (message: Uint8Array) => String(message);
        this.#subscriptions.push(await database.subscribe(["c"], () => {}, {}, asIs));
      }],
      ["acquire", acquireMs, async () => {
        const lease = await database.acquire({});
        this.#kept.push(lease.client);
        if (this.#leases.filter(({ released }) => !released).length > 5) lease.release();
        this.#leases.push(lease);
      }],
      ["RPUSH", commandMs, async () => {
        const element = `e${this.#nextElement++}`;
        this.#pushed.add(element);
        await client.rpush("q", element).catch((error) => {
          // Whether it is there is not known: it may be missing.
          this.#pushed.delete(element);
          throw error;
        });
      }],
    ];
    const [what, deadlineMs, work] = this.#random.pick(works);
    this.#watch(what, deadlineMs, work);
    const subscription = this.#subscriptions.pop();
    if (subscription === undefined || this.#random.below(4) > 0) return;
    this.#watch("unsubscribe", commandMs, () => subscription.unsubscribe());
  }

  #useLease(): void {
    if (this.#kept.length === 0) return this.#useClient();
    const { commandTimeoutMs: commandMs } = this.#config;
    const client = this.#random.pick(this.#kept);
    const works: [what: string, deadlineMs: number, work: () => Promise<unknown>][] = [
      ["GET", commandMs, () => client.get("k")],
      ["INCR", commandMs, () => client.incr("n")],
      ["LPOP", commandMs, () => this.#taking(client.lpop("q"))],
      ["BLPOP", 300 + GRACE_MS, () => this.#taking(client.blpop("q", 0.3))],
      ["WAIT", 50 + GRACE_MS, () => client.wait(1, 50)],
      ["WATCH", commandMs, () => client.watch("k")],
      ["pipeline", commandMs, () => client.pipeline().get("k").incr("n").exec()],
      ["multi", commandMs, () => client.multi().incr("n").exec()],
      ["SUBSCRIBE", commandMs, () => client.subscribe("c")],
      ["UNSUBSCRIBE", commandMs, () => client.unsubscribe("c")],
      ["stream", commandMs, async () => {
        for await (const _keys of client.scanStream());
      }],
      [
        "callback",
        commandMs,
        () => new Promise((resolve) => void client.get("k", resolve)),
      ],
      ["script", 2 * commandMs, () => {
        client.defineCommand("one", { numberOfKeys: 0, lua: "return 1" });
        return (client as unknown as { one(): Promise<number> }).one();
      }],
    ];
    const last: typeof works = [
      ["QUIT", commandMs, () => client.quit()],
      ["MONITOR", 2 * commandMs, () => client.monitor()],
      ["connect", commandMs, () => client.connect()],
      ["disconnect", 0, () => Promise.resolve(client.disconnect())],
    ];
    const rare = this.#random.below(10) === 0;
    const [what, deadlineMs, work] = this.#random.pick(rare ? last : works);
    this.#watch(`${what} on a lease`, deadlineMs, work);
    if (this.#random.below(6) > 0) return;
    const lease = this.#random.pick(this.#leases);
    if (lease.released) return;
    if (this.#random.below(4) === 0) lease.destroy();
    else lease.release();
  }

  #disturb(): void {
    const { channels } = this.#server;
    const any = () => channels.length === 0 ? undefined : this.#random.pick(channels);
    this.#random.pick([
      () => any()?.cut(),
      () => any()?.freeze("both"),
      () => any()?.freeze("replies"),
      () => channels.forEach((channel) => channel.cut()),
      () => channels.forEach((channel) => channel.freeze("both")),
      () => channels.forEach((channel) => channel.freeze("replies")),
      () => this.#closeDatabase(),
      () => this.#thaw(),
      () => this.#thaw(),
      () => this.#thaw(),
      // The process stands still; what falls due meanwhile is late.
      () => this.#clock.freeze(30),
      () => this.#clock.setWall(this.#clock.wallNow() + 3_600_000),
    ])();
  }

  #closeDatabase(): void {
    const drainMs = this.#random.pick([0, 30, 1000]);
    const database = this.#database;
    this.#watch("close", drainMs, () => database.close(drainMs));
    this.#database = this.#makeDatabase();
  }

  #thaw(): void {
    for (const channel of this.#server.channels) channel.thaw();
  }
}

for (let n = 0; n < SEQUENCES; n++) {
  const seed = n + 1;
  Deno.test(`whatever happens to a modelled server, every promise settles and nothing is lost without an error: sequence ${seed}`, async () => {
    const clock = new FakeClock();
    using settling = new Settling(() => clock.now());
    const sequence = new Sequence(new Random(seed), clock, settling);
    await sequence.run(STEPS);
    assertEquals(sequence.troubles, [], `seed ${seed}`);
    assert(settling.settled >= STEPS / 2, `only ${settling.settled} settled`);
  });
}
