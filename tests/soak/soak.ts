/** Row 40 of the fault matrix: a mixed load with a random fault every few seconds. */
import { RedisConnectionManager } from "../../mod.ts";
import { delay, waitFor } from "../../src/testing/wait.ts";
import { BusyProcesses } from "../support/busy.ts";
import { assertNoConnectionsLeft } from "../support/clients.ts";
import { Random } from "../support/random.ts";
import { Explanations } from "./explanations.ts";
import { type Fault, FAULTS } from "./faults.ts";
import { type HeapSample, heapTrend } from "./heap_trend.ts";
import { heapUse } from "./heap_use.ts";
import { LagMeter } from "./lag_meter.ts";
import { Load } from "./load.ts";
import type { SoakOptions } from "./options.ts";
import { PromiseWatch } from "./promise_watch.ts";
import { PubSubChecker } from "./pubsub_checker.ts";
import { allowedRecoveryMs, lateRecoveries, type Recovery } from "./recovery.ts";
import { Stage } from "./stage.ts";
import type { Findings } from "./verdict.ts";
import { type Balance, WriteLedger } from "./write_ledger.ts";

declare const gc: (() => void) | undefined;

/** A fault begins every so many milliseconds. */
const FAULT_EVERY_MS = 5000;
/** Faults between two checks of the ledger. */
const FAULTS_A_PAGE = 2;
/** Least time without any, in milliseconds: faults may take longer than that. */
const LEAST_PAUSE_MS = 1000;
/** How long a success is waited for: longer than any recovery takes that comes at all. */
const MOST_RECOVERY_MS = 120_000;
/** By when the server's list of clients and the pool's numbers have to agree once. */
const AGREE_MS = 20_000;
/** Collections before a look at the heap. */
const COLLECTIONS = 2;
/** By when the server lists no connection any more, at the end. */
const GONE_MS = 30_000;

/** What is under test on one server. */
interface Side {
  readonly stage: Stage;
  readonly load: Load;
  readonly pubsub: PubSubChecker;
}

/** One run. */
export class Soak {
  readonly #options: SoakOptions;
  readonly #say: (line: string) => void;
  readonly #random: Random;
  readonly #lag = new LagMeter();
  readonly #watch = new PromiseWatch(this.#lag);
  readonly #wrong: string[] = [];
  readonly #strikes: Record<string, number> = {};
  readonly #recoveries: Recovery[] = [];
  readonly #objects: HeapSample[] = [];
  readonly #code: HeapSample[] = [];
  readonly #balance: Balance = {
    acknowledged: 0,
    ambiguous: 0,
    refused: 0,
    lost: 0,
    doubles: 0,
    faults: [],
    about: [],
  };
  #explanations: Explanations | undefined;
  #toldLate = 0;
  readonly #startedAt = performance.now();
  #page = 0;

  /**
   * Starts nothing yet.
   *
   * @param options How long, and from which random numbers.
   * @param say Takes a line for whoever watches.
   */
  constructor(options: SoakOptions, say: (line: string) => void = () => {}) {
    this.#options = options;
    this.#say = say;
    this.#random = new Random(options.seed);
  }

  /** Runs it to its end. */
  async run(): Promise<Findings> {
    await using _busy = new BusyProcesses(this.#options.load);
    await using node = await Stage.start("node");
    await using deno = await Stage.start("deno");
    const stages = [node, deno];
    this.#explanations = new Explanations(
      new Map(stages.map(({ name, recorder }) => [name, recorder])),
      `${Deno.env.get("TMPDIR") ?? "/tmp"}/mooring-soak-${Deno.pid}`,
      this.#say,
    );
    const sides: Side[] = [];
    {
      await using manager = managerOf(stages);
      for (const stage of stages) sides.push(await this.#begin(manager, stage));
      await this.#strikeOn(manager, sides);
      await Promise.all(sides.map(({ load }) => load.stop()));
      await this.#judgePage(sides);
    }
    for (const { server } of stages) {
      await assertNoConnectionsLeft(server, "mooring:", { withinMs: GONE_MS })
        .catch((error) => this.#violated(error.message));
    }
    const findings = this.#findings(sides);
    this.#lag[Symbol.dispose]();
    return findings;
  }

  async #begin(manager: RedisConnectionManager, stage: Stage): Promise<Side> {
    const pubsub = new PubSubChecker((what) => this.#violated(`${stage.name}: ${what}`));
    await manager.subscribe(
      stage.name,
      ["news"],
      (text) => pubsub.onMessage(text),
      { onGap: () => pubsub.onGap() },
    );
    const load = new Load({
      database: stage.name,
      manager,
      watch: this.#watch,
      random: this.#random,
      pubsub,
      wrong: (what) => this.#violated(`${stage.name}: ${what}`),
    }, new WriteLedger(`page0:${stage.name}`));
    load.start();
    return { stage, load, pubsub };
  }

  async #strikeOn(manager: RedisConnectionManager, sides: readonly Side[]) {
    // Chosen by numbers of their own, as callers draw in an order that time decides.
    const random = new Random(this.#options.seed + 1);
    const until = performance.now() + this.#options.minutes * 60_000;
    const { only } = this.#options;
    const faults = FAULTS.filter(({ name }) => only.length === 0 || only.includes(name));
    let queue: Fault[] = [];
    for (let n = 1; performance.now() < until; n++) {
      const nextAt = performance.now() + FAULT_EVERY_MS;
      // Each kind before any comes again.
      if (queue.length === 0) queue = [...faults];
      const [fault] = queue.splice(random.below(queue.length), 1);
      await this.#strike(fault!, random.pick(sides), random);
      if (n % FAULTS_A_PAGE === 0) {
        await this.#judgePage(sides);
        await this.#lookAtHeap();
        for (const { stage } of sides) await this.#compareCounts(manager, stage);
      }
      await delay(Math.max(LEAST_PAUSE_MS, nextAt - performance.now()));
    }
  }

  async #strike(fault: Fault, { stage, load }: Side, random: Random): Promise<void> {
    const { name, isOutage = false } = fault;
    this.#strikes[name] = (this.#strikes[name] ?? 0) + 1;
    const what = `"${name}" on ${stage.name}`;
    this.#explanations?.event(stage.name, `${what} begins`);
    try {
      await fault.strike(stage, random, load);
    } catch (cause) {
      throw new Error(`Cannot bring about ${what}`, { cause });
    }
    const healedAt = performance.now();
    this.#explanations?.event(stage.name, `${what} is over`);
    // Times come from the callers, so that it does not matter how often they are looked at.
    await waitFor(() => load.firstSuccessAfter(healedAt) !== undefined, {
      timeoutMs: MOST_RECOVERY_MS,
      everyMs: 5,
      what: "a success",
    }).catch(() => {});
    const servedAt = load.firstSuccessAfter(healedAt) ?? Infinity;
    const ms = servedAt - healedAt;
    const allowedMs = allowedRecoveryMs(this.#lag.sumSince(healedAt));
    const recovery = { what, isOutage, ms, allowedMs };
    this.#recoveries.push(recovery);
    const lasted = `${this.#minute.toFixed(2)} min: ${what}`;
    this.#say(`${lasted}, served after ${ms.toFixed(0)} ms`);
    // Counted with the recoveries at the end, explained now.
    this.#explanations?.write(lateRecoveries([recovery]));
  }

  /** Takes note of what is wrong, and explains it. */
  #violated(what: string, about: readonly string[] = []): void {
    this.#wrong.push(what);
    this.#explanations?.write([what], about);
  }

  /** Judges what was written since the last time. */
  async #judgePage(sides: readonly Side[]): Promise<void> {
    this.#page++;
    for (const { stage, load } of sides) {
      const old = await load.switchLedger(
        new WriteLedger(`page${this.#page}:${stage.name}`),
      );
      const { faults, about, ...sums } = await old.close(stage.ask);
      this.#balance.faults.push(...faults);
      this.#explanations?.write(faults, about);
      for (const [name, count] of Object.entries(sums)) {
        this.#balance[name as keyof typeof sums] += count;
      }
    }
    const late = this.#watch.overdue();
    this.#explanations?.write(late.slice(this.#toldLate));
    this.#toldLate = late.length;
  }

  /** From a turn of its own, so that no function that is under way holds an old page; what
   * is finalized in one collection goes with the next. */
  async #lookAtHeap(): Promise<void> {
    for (let i = 0; i < COLLECTIONS; i++) {
      await delay(0);
      gc?.();
    }
    const { objects, code } = heapUse();
    this.#objects.push({ minute: this.#minute, bytes: objects });
    this.#code.push({ minute: this.#minute, bytes: code });
  }

  /** What the server lists and what the pool counts agree, sooner or later. */
  async #compareCounts(manager: RedisConnectionManager, stage: Stage): Promise<void> {
    const prefix = `mooring:${stage.name}:`;
    let last = "";
    await waitFor(async () => {
      const rows = await stage.server.clientList();
      const listed = rows.filter(({ name }) => name.startsWith(prefix)).length;
      const { lanes, leases, idleConnections, connecting } = manager
        .getPoolStatistics(stage.name);
      last =
        `${listed} listed; ${lanes} lanes, ${leases} leases, ${idleConnections} idle, ` +
        `${connecting} connecting; ` +
        rows.map(({ name, cmd, idle }) => `${name || "unnamed"} ${cmd} ${idle} s`).join(
          ", ",
        );
      return listed === lanes + leases + idleConnections + connecting;
    }, { timeoutMs: AGREE_MS, everyMs: 5, what: "agreement" }).catch(() =>
      this.#violated(`server and pool of ${stage.name} disagree: ${last}`)
    );
  }

  get #minute(): number {
    return (performance.now() - this.#startedAt) / 60_000;
  }

  #findings(sides: readonly Side[]): Findings {
    const counts: Record<string, number> = {};
    const pubsub = { received: 0, gaps: 0 };
    for (const { load, pubsub: { counts: own } } of sides) {
      for (const [kind, count] of Object.entries(load.counts)) {
        counts[kind] = (counts[kind] ?? 0) + count;
      }
      pubsub.received += own.received;
      pubsub.gaps += own.gaps;
    }
    return {
      ...this.#options,
      counts,
      strikes: this.#strikes,
      balance: this.#balance,
      late: this.#watch.overdue(),
      pending: this.#watch.pending,
      pubsub,
      recoveries: this.#recoveries,
      heap: heapTrend(this.#objects),
      code: heapTrend(this.#code),
      worstLagMs: this.#lag.worst,
      wrong: this.#wrong,
    };
  }
}

/** As users get it: what is not set here is as the library's defaults are. */
function managerOf(stages: readonly Stage[]): RedisConnectionManager {
  return new RedisConnectionManager({
    databases: Object.fromEntries(stages.map((stage) => [stage.name, {
      db: 0,
      host: stage.relay.host,
      port: stage.relay.port,
      transport: stage.name as "node" | "deno",
      password: () => stage.toldPassword,
    }])),
  });
}
