import { ClusterHealth } from "./cluster_health.ts";
import { ClusterRouter } from "./cluster_router.ts";
import type { CommandGate } from "./commands/dispatcher.ts";
import type { Connection } from "./connection/connection.ts";
import type { TrackedCommand } from "./connection/tracked.ts";
import {
  AcquireTimeoutError,
  ConnectError,
  ManagerClosedError,
} from "./core/errors/mod.ts";
import type { PooledConnection } from "./database_pool.ts";
import type { OpenConnection } from "./pool/types.ts";
import type { ConnectionCounts } from "./observability/database_statistics.ts";
import type { DatabaseHealth } from "./observability/types.ts";
import {
  ServerConnections,
  type ServerContext,
  type ServerNumbers,
} from "./server_connections.ts";
import { pastOf, sumConnections, sumNumbers } from "./server_sums.ts";
import type { LeaseTarget, LeaseWait, Servers } from "./servers.ts";
import { ClusterDirectory } from "./topology/cluster_directory.ts";
import { parseShards, parseSlots } from "./topology/cluster_reply.ts";
import { commandSlot } from "./topology/command_slot.ts";
import { decodeReply } from "./topology/decode_reply.ts";
import { firstOf } from "./topology/first_of.ts";
import type { Redirect } from "./topology/redirect.ts";
import {
  addressText,
  type ClusterAddress,
  hostOf,
  type SlotRange,
} from "./topology/slot_map.ts";

/** How long one node has to tell who serves what before the next is asked as well. */
const ASK_GAP_MS = 250;

/** Each node has its own circuit breaker: of the whole there is none. */
const OPEN_GATE: CommandGate = {
  allows: () => true,
  tryProbe: () => undefined,
};

/** The nodes of a database in a cluster, which come and go as the cluster changes. */
export class ClusterServers implements Servers {
  readonly sink: ClusterRouter;
  readonly gate: CommandGate = OPEN_GATE;
  readonly #context: ServerContext;
  readonly #health: ClusterHealth;
  readonly #directory: ClusterDirectory;
  readonly #nodes = new Map<string, ServerConnections>();
  /** The same by the map's own objects, for commands. */
  #byAddress = new Map<ClusterAddress, ServerConnections>();
  /** Nodes that serve no slots any more, and are being drained. */
  readonly #leaving = new Map<ServerConnections, Promise<number>>();
  /** Nodes that commands were redirected to which are not over. */
  readonly #asked = new WeakMap<TrackedCommand, Redirect>();
  #past = sumNumbers([]);
  #openedBefore = 0;
  #closed = false;

  /**
   * Opens nothing, and asks nobody yet.
   *
   * @param context What the nodes have in common.
   */
  constructor(context: ServerContext) {
    const { clock, config, statistics } = context;
    const health = this.#health = new ClusterHealth({
      database: config.name,
      nodes: () => this.#serving.map((node) => node.health.judge()),
      seeds: config.nodes.map(addressText).join(", "),
      lastError: () => statistics.lastError,
      emit: context.emit,
      clock,
    });
    this.#context = { ...context, emit: health.emit };
    this.#directory = new ClusterDirectory({
      ask: (signal) => this.#ask(signal),
      changed: () => this.#mapChanged(),
      failed: (error) => {
        this.sink.unknown(error);
        health.update();
      },
      clock,
    });
    this.sink = new ClusterRouter({
      database: config.name,
      maxWaiting: config.maxWaiting,
      directory: this.#directory,
      nodeAt: (address) => this.#nodeAt(address),
      statistics,
      clock,
    });
  }

  openError(): Error {
    return this.#serving[0]?.openError() ?? new ManagerClosedError(this.#name);
  }

  redirect(command: TrackedCommand, error: Error): boolean {
    return this.sink.redirect(command, error);
  }

  redirectTo({ kind, node, slot }: Redirect): void {
    if (kind === "moved") this.#directory.moved(slot, node);
  }

  learn(command: TrackedCommand, error: Error): void {
    this.sink.learn(command, error);
  }

  redirectLease(command: TrackedCommand, error: Error): LeaseTarget | undefined {
    const redirect = this.sink.follow(command, error);
    if (redirect === undefined) return undefined;
    this.#asked.set(command, redirect);
    return { node: redirect.node };
  }

  targetOf(command: TrackedCommand): LeaseTarget & { asking: boolean } {
    const redirect = this.#asked.get(command);
    // Only the next attempt goes there.
    this.#asked.delete(command);
    if (redirect !== undefined) {
      return { node: redirect.node, asking: redirect.kind === "ask" };
    }
    const slot = commandSlot(command);
    return { asking: false, ...(slot === undefined ? {} : { slot }) };
  }

  async lease<T>(
    target: LeaseTarget,
    wait: LeaseWait,
    lease: (server: ServerConnections, wait: LeaseWait) => Promise<T>,
  ): Promise<T> {
    const { clock, config } = this.#context;
    const { signal, timeoutMs = config.acquireTimeoutMs } = wait;
    const until = clock.now() + timeoutMs;
    for (;;) {
      await this.#known(timeoutMs, until, signal);
      const server = this.#find(target);
      const leftMs = Math.max(0, until - clock.now());
      try {
        return await lease(server, { ...wait, timeoutMs: leftMs });
      } catch (error) {
        // The node has left the cluster meanwhile: another serves the slot.
        const isGone = error instanceof ManagerClosedError && !this.#closed;
        if (!isGone || leftMs === 0) throw error;
      }
    }
  }

  async whenReady(signal?: AbortSignal): Promise<void> {
    await this.#directory.ready(signal);
    await this.sink.nodeOf(undefined).whenReady(signal);
  }

  reresolve(): void {
    this.#directory.request();
  }

  notReady(connection: Connection): void {
    this.#nodes.get(connection.endpoint)?.health.notReady(connection);
  }

  async check(signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#directory.ready(signal);
    } catch {
      signal?.throwIfAborted();
      return false;
    }
    const checks = this.#serving.map((node) => node.questions.check(signal));
    return (await Promise.all(checks)).includes(true);
  }

  reap(): number {
    return [...this.#nodes.values()].reduce((all, node) => all + node.reap(), 0);
  }

  connections(): ConnectionCounts {
    const { opened, open } = sumConnections(this.#all.map((node) => node.connections()));
    return { opened: opened + this.#openedBefore, open };
  }

  openConnections(): OpenConnection<PooledConnection>[] {
    return this.#all.flatMap((node) => node.openConnections());
  }

  numbers(): ServerNumbers {
    const sum = sumNumbers([this.#past, ...this.#all.map((node) => node.numbers())]);
    return { ...sum, waiting: sum.waiting + this.sink.waiting };
  }

  health(): DatabaseHealth {
    return this.#health.judge();
  }

  resetBreakers(): void {
    for (const node of this.#nodes.values()) node.resetBreaker();
  }

  stopReporting(): void {
    this.#health.stop();
    for (const node of this.#all) node.health.stop();
  }

  async close(drainMs: number): Promise<number> {
    const { clock } = this.#context;
    const until = clock.now() + drainMs;
    const cutBefore = await this.sink.close(drainMs);
    this.#closed = true;
    this.#directory.close(new ManagerClosedError(this.#name));
    const leftMs = Math.max(0, until - clock.now());
    const cut = await Promise.all([
      ...[...this.#nodes.values()].map((node) => node.close(leftMs)),
      ...[...this.#leaving].map(([node, over]) => this.#endLeaving(node, over, leftMs)),
    ]);
    return cut.reduce((all, count) => all + count, cutBefore);
  }

  /** A node that is being drained already has no more time than the others. */
  async #endLeaving(
    node: ServerConnections,
    over: Promise<number>,
    withinMs: number,
  ): Promise<number> {
    const timer = this.#context.clock.setTimer(() => node.cut(), withinMs);
    const cut = await over;
    timer.cancel();
    return cut;
  }

  get #name(): string {
    return this.#context.config.name;
  }

  /** Every node that has connections. */
  get #all(): ServerConnections[] {
    return [...this.#nodes.values(), ...this.#leaving.keys()];
  }

  /** The nodes that are known to serve slots; those that are asked while none is. */
  get #serving(): ServerConnections[] {
    const { isKnown, map } = this.#directory;
    return isKnown
      ? map.primaries.map((address) => this.#nodeAt(address))
      : [...this.#nodes.values()];
  }

  #nodeAt(address: ClusterAddress): ServerConnections {
    return this.#byAddress.get(address) ?? this.#nodeFor(address);
  }

  #nodeFor(address: ClusterAddress): ServerConnections {
    const key = addressText(address);
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const endpoint = { kind: "tcp", ...address } as const;
    const node = new ServerConnections(this.#context, {
      locate: () => ({
        where: key,
        current: () => key,
        resolve: () => Promise.resolve(endpoint),
        close: () => {},
      }),
      isNode: true,
      troubled: () => this.#directory.request(),
    });
    this.#nodes.set(key, node);
    // What is redirected there finds it closed, like all others.
    if (this.#closed) void node.close(0);
    return node;
  }

  #find({ node, slot }: LeaseTarget): ServerConnections {
    if (node === undefined) return this.sink.nodeOf(slot);
    // A node that is about to get its first slot is in no map.
    if (typeof node !== "string") return this.#nodeAt(node);
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    const allowed = [...this.#nodes.keys()].map((name) => `"${name}"`).join(", ");
    throw new RangeError(
      `Cannot acquire a connection of database "${this.#name}" as node must be one of ` +
        `the cluster's, ${allowed}: current value is "${node}"`,
    );
  }

  /** Waits until something is known of the cluster, but not for longer than a lease may. */
  async #known(
    timeoutMs: number,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#closed) throw new ManagerClosedError(this.#name);
    if (this.#directory.isKnown) return;
    const { clock } = this.#context;
    const stop = new AbortController();
    const timer = clock.setTimer(
      () =>
        stop.abort(new AcquireTimeoutError(this.#name, timeoutMs, this.numbers().gauges)),
      Math.max(0, until - clock.now()),
    );
    const within = signal === undefined
      ? stop.signal
      : AbortSignal.any([signal, stop.signal]);
    try {
      await this.#directory.ready(within);
    } finally {
      timer.cancel();
    }
  }

  /** Asks the nodes that there are, then the seeds, until one has told who serves what. */
  async #ask(signal: AbortSignal): Promise<readonly SlotRange[]> {
    const { clock, config } = this.#context;
    const isOpen = ({ lanes }: ServerConnections) => lanes.size > 0;
    const known = [...this.#nodes.values()];
    const seeds = config.nodes.filter((seed) => !this.#nodes.has(addressText(seed)));
    const askers = [
      ...[...known.filter(isOpen), ...known.filter((node) => !isOpen(node))]
        .map((node) => (signal: AbortSignal) => askNode(this.#context, node, signal)),
      ...seeds.map((seed) => (signal: AbortSignal) =>
        askNode(this.#context, this.#nodeAt(seed), signal)
      ),
    ];
    return await firstOf(askers, { gapMs: ASK_GAP_MS, signal, clock });
  }

  /** Another map: nodes that are not in it any more go, and what waits goes on. */
  #mapChanged(): void {
    const { map } = this.#directory;
    const serving = new Set(map.primaries.map(addressText));
    this.#byAddress = new Map(
      map.primaries.map((address) => [address, this.#nodeFor(address)]),
    );
    const left: TrackedCommand[] = [];
    for (const [key, node] of this.#nodes) {
      if (serving.has(key)) continue;
      this.#nodes.delete(key);
      left.push(...this.#retire(node));
    }
    this.sink.resend(left);
    this.sink.known();
    this.#health.update();
  }

  /** Drains and closes a node; gives the commands that waited for it. */
  #retire(node: ServerConnections): TrackedCommand[] {
    const waiting = node.lanes.takeWaiting();
    node.health.stop();
    const over = node.close(this.#context.config.commandTimeoutMs);
    this.#leaving.set(node, over);
    void over.then(() => {
      this.#leaving.delete(node);
      this.#past = sumNumbers([this.#past, pastOf(node.numbers())]);
      this.#openedBefore += node.connections().opened;
    });
    return waiting;
  }
}

/** How a node is asked who serves what: the second way is for Redis before 7.0. */
const QUESTIONS = [["shards", parseShards], ["slots", parseSlots]] as const;

/** Asks a node who serves what. */
async function askNode(
  { config }: ServerContext,
  node: ServerConnections,
  signal: AbortSignal,
): Promise<readonly SlotRange[]> {
  const options = { askedHost: hostOf(node.endpoint), tls: config.tls.enabled };
  let said = "no slot is served";
  for (const [name, parse] of QUESTIONS) {
    const answer = await node.questions.query(signal, "cluster", name);
    if (answer === undefined) said = "no answer";
    else if ("error" in answer) said = answer.error.message;
    else {
      const ranges = parse(decodeReply(answer.reply), options) ?? [];
      if (ranges.length > 0) return ranges;
    }
  }
  const reason = `it does not tell which slots are served: ${said}`;
  throw new ConnectError(config.name, node.endpoint, reason, { attempts: 1 });
}
