/**
 * Property: whatever happens to a connection, what takes a command settles it by its
 * deadline, and 100 ms more.
 */
import { assert, assertEquals } from "@std/assert";
import {
  type ConnectionLease,
  type IORedis,
  type ManagerOptions,
  RedisConnectionManager,
  type Subscription,
} from "../../../mod.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";
import { Random } from "../../support/random.ts";
import { Settling } from "../../support/settling.ts";
import { IS_FULL } from "./_stage.ts";

const SEQUENCES = IS_FULL ? 24 : 4;
const STEPS = Number(Deno.env.get("MOORING_STEPS") ?? 60);
/** A blocking command may take this much longer than it asked for. */
const GRACE_MS = 1000;
/** An aborted one that is blocked waits so long for the server's word at most. */
const ABORT_MS = 1000;
/** What must never end: only what is done to it ends it. */
const FOR_EVER = 0;

/** Deadlines of a database. */
interface Deadlines {
  readonly commandMs: number;
  readonly acquireMs: number;
}

/** One sequence of steps. */
class Sequence {
  readonly #random: Random;
  readonly #settling: Settling;
  readonly #server: RedisServer;
  readonly #relay: FaultProxy;
  readonly #options: ManagerOptions;
  readonly #deadlines: Deadlines;
  #manager: RedisConnectionManager;
  /** Leases, the released ones too. */
  readonly #leases: ConnectionLease[] = [];
  /** Clients of leases, kept beyond their release. */
  readonly #kept: IORedis[] = [];
  readonly #subscriptions: Subscription[] = [];
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  #isFrozen = false;

  constructor(
    random: Random,
    settling: Settling,
    stage: { server: RedisServer; relay: FaultProxy },
    options: ManagerOptions,
    deadlines: Deadlines,
  ) {
    this.#random = random;
    this.#settling = settling;
    this.#server = stage.server;
    this.#relay = stage.relay;
    this.#options = options;
    this.#deadlines = deadlines;
    this.#manager = this.#makeManager();
  }

  /** Takes so many steps; then all is healed and closed. */
  async run(steps: number): Promise<void> {
    for (let n = 0; n < steps; n++) {
      const below = (most: number) => this.#random.below(most);
      if (below(4) === 0) await this.#disturb();
      else if (below(2) === 0) this.#useClient();
      else this.#useLease();
      if (below(3) === 0) await delay(below(40));
      // Longer than a connection may be quiet before it is doubted.
      if (below(25) === 0) await delay(1100);
    }
    await this.#heal();
    await waitFor(() => this.#settling.pending.length === 0, {
      timeoutMs: this.#settling.longestMs * 3 + 5000,
      what: "all to settle",
    }).catch(() => {});
    for (const lease of this.#leases) if (!lease.released) lease.release();
    await this.#manager.closeAll({ drainMs: 0 });
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** AbortSignal.timeout() cannot be ended before its time. */
  #abortAfter(ms: number): AbortController {
    const stop = new AbortController();
    this.#timers.push(setTimeout(() => stop.abort(new Error("enough")), ms));
    return stop;
  }

  #makeManager(): RedisConnectionManager {
    const { host, port } = this.#relay;
    return new RedisConnectionManager({
      host,
      port,
      databases: { main: {} },
      ...this.#options,
    });
  }

  #watch(what: string, deadlineMs: number, work: () => Promise<unknown>): void {
    // What refuses by throwing has settled, too.
    const promise = (async () => await work())();
    this.#settling.watch(what, deadlineMs, promise);
  }

  #useClient(): void {
    const { commandMs, acquireMs } = this.#deadlines;
    const manager = this.#manager;
    const client = manager.getClient("main");
    const shortMs = this.#random.between(10, commandMs);
    const { signal } = this.#abortAfter(shortMs);
    const works: [what: string, deadlineMs: number, work: () => Promise<unknown>][] = [
      ["GET", commandMs, () => client.get("k")],
      ["INCR", commandMs, () => client.incr("n")],
      ["call", commandMs, () => client.call("LPUSH", "l", "v")],
      ["execute", commandMs, () => manager.execute("main", "TIME")],
      [
        "GET with a deadline",
        shortMs,
        () => client.with({ timeoutMs: shortMs }).get("k"),
      ],
      ["INCR with a signal", shortMs, () => client.with({ signal }).incr("n")],
      ["pipeline", commandMs, () => client.pipeline().get("k").incr("n").exec()],
      ["multi", commandMs, () => client.multi().get("k").incr("n").exec()],
      [
        "manager.pipeline()",
        commandMs,
        () => manager.pipeline("main", (p) => void p.get("k").incr("n")),
      ],
      ["stream", commandMs, async () => {
        for await (const _keys of client.scanStream({ count: 1000 }));
      }],
      ["BLPOP", acquireMs + 100 + GRACE_MS, () => client.blpop("empty", 0.1)],
      [
        "XREAD",
        acquireMs + 100 + GRACE_MS,
        () => client.xread("BLOCK", 100, "STREAMS", "x", "$"),
      ],
      [
        "BLPOP with a deadline",
        shortMs,
        () => client.with({ timeoutMs: shortMs }).blpop("empty", FOR_EVER),
      ],
      [
        "BLPOP with a signal",
        shortMs + ABORT_MS,
        () => client.with({ signal }).blpop("empty", FOR_EVER),
      ],
      [
        "WAIT",
        acquireMs + commandMs + 50 + GRACE_MS,
        () => client.wait(1, 50),
      ],
      ["refused SELECT", 0, () => client.select(1)],
      [
        "transaction",
        acquireMs + 5 * commandMs,
        () =>
          manager.transaction("main", async (tx, watched) => {
            await watched.get("k");
            tx.incr("n");
          }, { watch: ["k"] }),
      ],
      ["subscribe", acquireMs + commandMs, async () => {
        this.#subscriptions.push(await manager.subscribe("main", ["c"], () => {}));
      }],
      ["acquire", acquireMs, async () => {
        const lease = await manager.acquire("main");
        if (this.#leases.filter(({ released }) => !released).length > 5) lease.release();
        this.#leases.push(lease);
        if (!lease.released) this.#kept.push(lease.client);
      }],
    ];
    this.#watch(...this.#random.pick(works));
    const subscription = this.#subscriptions.pop();
    if (subscription === undefined || this.#random.below(4) > 0) return;
    this.#watch("unsubscribe", commandMs, () => subscription.unsubscribe());
  }

  #useLease(): void {
    if (this.#kept.length === 0) return this.#useClient();
    const { commandMs } = this.#deadlines;
    const client = this.#random.pick(this.#kept);
    const works: [what: string, deadlineMs: number, work: () => Promise<unknown>][] = [
      ["GET", commandMs, () => client.get("k")],
      ["INCR", commandMs, () => client.incr("n")],
      ["unknown", commandMs, () => client.call("NOSUCH")],
      ["BLPOP", 100 + GRACE_MS, () => client.blpop("empty", 0.1)],
      ["WAIT", 50 + GRACE_MS, () => client.wait(1, 50)],
      ["WATCH", commandMs, () => client.watch("k")],
      ["pipeline", commandMs, () => client.pipeline().get("k").incr("n").exec()],
      ["multi", commandMs, () => client.multi().incr("n").exec()],
      ["SUBSCRIBE", commandMs, () => client.subscribe("c")],
      ["UNSUBSCRIBE", commandMs, () => client.unsubscribe()],
      ["stream", commandMs, async () => {
        for await (const _keys of client.scanStream({ count: 1000 }));
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
    const [what, deadlineMs, work] = this.#random.pick(
      this.#random.below(10) === 0 ? last : works,
    );
    this.#watch(`${what} on a lease`, deadlineMs, work);
    if (this.#random.below(6) > 0) return;
    const lease = this.#random.pick(this.#leases);
    if (lease.released) return;
    if (this.#random.below(4) === 0) lease.destroy();
    else lease.release();
  }

  async #disturb(): Promise<void> {
    const disturbances: (() => unknown)[] = [
      () => this.#relay.reset(),
      () => {
        if (this.#relay.connections.length === 0) return;
        this.#random.pick(this.#relay.connections).reset();
      },
      () => this.#relay.set({ toClient: { kind: "cut", afterBytes: 3, how: "reset" } }),
      () => this.#relay.set({ toClient: { kind: "stall" }, toServer: { kind: "stall" } }),
      () => {
        if (!this.#isFrozen) this.#server.pause();
        this.#isFrozen = true;
      },
      () =>
        this.#isFrozen ? undefined : this.#server.cli("CLIENT", "KILL", "TYPE", "normal"),
      () => this.#relay.refuse(),
      () => this.#relay.welcome = "hold",
      () => this.#relay.welcome = "reset",
      () => this.#closeManager(),
      () => this.#heal(),
      () => this.#heal(),
      () => this.#heal(),
      () => this.#heal(),
    ];
    await this.#random.pick(disturbances)();
  }

  #closeManager(): void {
    const drainMs = this.#random.pick([0, 30, 200]);
    const manager = this.#manager;
    this.#watch("closeAll", drainMs + 200, () => manager.closeAll({ drainMs }));
    this.#manager = this.#makeManager();
  }

  async #heal(): Promise<void> {
    if (this.#isFrozen) this.#server.resume();
    this.#isFrozen = false;
    this.#relay.heal();
    await this.#relay.listen();
  }
}

async function runSequence(
  seed: number,
  options: ManagerOptions,
  deadlines: Deadlines,
  steps: number,
): Promise<void> {
  await using server = await RedisServer.start();
  await using relay = await FaultProxy.start({ to: server });
  using settling = new Settling();
  const stage = { server, relay };
  const sequence = new Sequence(new Random(seed), settling, stage, options, deadlines);
  await sequence.run(steps);
  assertEquals([settling.late, settling.pending], [[], []], `seed ${seed}`);
  assert(settling.settled >= steps / 3, `seed ${seed}: only ${settling.settled} settled`);
}

for (let n = 0; n < SEQUENCES; n++) {
  const seed = Number(Deno.env.get("MOORING_SEED") ?? n + 1);
  // Short deadlines, so that many of them pass in little time; a breaker that stays closed
  // every other time, so that more gets to the connections.
  const options: ManagerOptions = {
    commandTimeoutMs: 400,
    connectTimeoutMs: 300,
    acquireTimeoutMs: 300,
    ...(n % 2 === 0 ? {} : { circuitBreakerThreshold: 100_000 }),
  };
  Deno.test(`whatever happens, what takes a command settles it by its deadline and 100 ms: sequence ${seed}`, () =>
    runSequence(seed, options, { commandMs: 400, acquireMs: 300 }, STEPS));
}

Deno.test("whatever happens, what takes a command settles it by its deadline and 100 ms: with the default settings", () =>
  runSequence(1053, {}, { commandMs: 5000, acquireMs: 3000 }, STEPS));
