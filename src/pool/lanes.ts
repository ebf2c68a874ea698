import type { RedisConfig } from "../config/mod.ts";
import type { Connection } from "../connection/connection.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import type { Clock, Timer } from "../core/clock.ts";
import {
  type ConnectError,
  type Delivery,
  ManagerClosedError,
  OverloadedError,
} from "../core/errors/mod.ts";
import { CommandQueue, waitTimeoutError } from "./command_queue.ts";
import {
  areAllNeeded,
  chooseLane,
  isLarge,
  type Lane,
  type LaneConnection,
  LaneGrowth,
  loadOf,
} from "./lane_choice.ts";
import {
  flushBarrier,
  type Send,
  TransactionProbe,
  transactionsOf,
} from "./lane_probes.ts";
import type { EvictionReason } from "./types.ts";
import { WaitQueue } from "./wait_queue.ts";

/** What a set of lanes needs. */
export interface LaneSetOptions<C extends LaneConnection = Connection>
  extends
    Pick<RedisConfig, "commandTimeoutMs" | "idleTimeoutMs" | "maxLanes" | "maxWaiting"> {
  /** Name of the database. */
  readonly database: string;
  /** Why no connection can be opened at the moment, if that is known: the cause of the errors
   * of commands that waited in vain. */
  readonly unreachable?: () => ConnectError | undefined;
  /** Opens a lane under the pool's limit. */
  readonly open: (signal: AbortSignal) => Promise<Lane<C>>;
  /** Time. */
  readonly clock: Clock;
}

/** Most commands in flight on one lane; more are refused, with the numbers. */
const MAX_IN_FLIGHT = 100_000;
/** Time between two looks at changes that nothing notifies of, in milliseconds. */
const POLL_MS = 10;

/**
 * The shared connections of one database: ordinary commands are multiplexed on them, the one
 * with the fewest in flight first. While none is open, commands wait, in order and within
 * their deadlines, and one is opened.
 */
export class LaneSet<C extends LaneConnection = Connection> {
  readonly #options: LaneSetOptions<C>;
  readonly #waiting: CommandQueue;
  readonly #ready: WaitQueue<void>;
  readonly #abort = new AbortController();
  #lanes: Lane<C>[] = [];
  /** Lanes that take no more commands and end when theirs are answered. */
  readonly #retiring = new Set<Lane<C>>();
  #opening = 0;
  readonly #growth = new LaneGrowth();
  readonly #probe: TransactionProbe;
  /** Whether a probe is in flight: all commands wait behind it, so that the order stays and
   * none becomes a part of it. */
  #isProbing = false;
  /** Whether all lanes have been needed since the last `shrink`. */
  #allNeeded = false;
  #neededAt = 0;
  #state: "open" | "draining" | "closed" = "open";
  /** Ends the drain. */
  #drained: (() => void) | undefined;

  /** Makes a set; opens nothing. */
  constructor(options: LaneSetOptions<C>) {
    const { clock, commandTimeoutMs } = this.#options = options;
    this.#probe = new TransactionProbe(commandTimeoutMs);
    this.#ready = new WaitQueue({ clock });
    this.#waiting = new CommandQueue(clock, (command) => this.#expired(command));
  }

  /** Lanes that are open. */
  get size(): number {
    return this.#lanes.length;
  }

  /** Commands sent and not answered, on all lanes. */
  get inFlight(): number {
    return sum(this.#all, ({ connection }) => connection.inFlight);
  }

  /** Commands that wait for a lane. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Those in flight and those that wait, without the abandoned ones. */
  get #awaited(): number {
    return this.#waiting.awaited + sum(this.#all, ({ connection }) => connection.awaited);
  }

  /** All lanes, those that retire included. */
  get #all(): Lane<C>[] {
    return [...this.#lanes, ...this.#retiring];
  }

  /** The open lanes' connections. */
  get connections(): readonly C[] {
    return this.#lanes.map((lane) => lane.connection);
  }

  /** Sends a command on a lane, or lets it wait for one. */
  submit(command: PendingCommand): void {
    const lanes = this.#lanes;
    const large = lanes.length > 1 && isLarge(command);
    const lane = this.#pick(large);
    if (lane === undefined) return this.#wait([command]);
    if (!hasRoom(lane.connection, 1)) return this.#refuse([command], lane);
    if (large) lane.large = command;
    lane.connection.send(command);
  }

  /**
   * Sends commands one after the other on one lane, with nothing in between; all of them or
   * none. The first transaction, and all that comes behind it, waits until a probe has shown
   * that the server lets transactions begin.
   */
  submitBatch(commands: readonly PendingCommand[]): void {
    const large = this.#lanes.length > 1 ? commands.findLast(isLarge) : undefined;
    const lane = this.#pick(large !== undefined);
    if (lane === undefined) return this.#wait(commands);
    if (!hasRoom(lane.connection, commands.length)) return this.#refuse(commands, lane);
    if (this.#probe.isDue(commands)) {
      // Whatever `maxWaiting` is: with a small one it would never be sent.
      this.#waiting.add(commands);
      return void this.#probeTransactions(lane);
    }
    lane.large = large ?? lane.large;
    lane.connection.sendBatch(commands);
  }

  /**
   * Replaces every lane: they lead to a server that can serve no more. What is in flight on
   * them is answered first.
   */
  replaceAll(reason: string): void {
    this.#probe.reset();
    this.#replaceIf(() => true, reason, "lane_released");
  }

  /** The server refused a transaction although it had let others run. */
  transactionRefused(): void {
    this.#probe.reset();
  }

  /** Replaces the lane of a connection, when what is in flight on it has been answered. */
  replace(connection: C, reason: string): void {
    this.#replaceIf((lane) => lane.connection === connection, reason, "lane_released");
  }

  /** Replaces the lanes that have lived for long enough; gives their number. */
  replaceExpired(): number {
    const now = this.#options.clock.now();
    const isOver = (lane: Lane<C>) => lane.expiresAt <= now;
    return this.#replaceIf(isOver, "its lifetime is over", "max_lifetime");
  }

  /**
   * Ends one lane, when what is in flight on it has been answered, if there has been one too
   * many for all of the idle timeout. One at a time: the others have to be superfluous for as
   * long once more. Gives how many were ended.
   */
  shrink(): number {
    const { clock, idleTimeoutMs } = this.#options;
    const now = clock.now();
    if (this.#allNeeded) this.#neededAt = now;
    this.#allNeeded = false;
    const isOver = idleTimeoutMs > 0 && now - this.#neededAt >= idleTimeoutMs;
    if (!isOver || this.#lanes.length < 2) return 0;
    this.#neededAt = now;
    // Of equally idle ones the last: the first is chosen first.
    const spare = this.#lanes.reduce((least, lane) =>
      loadOf(lane.connection) <= loadOf(least.connection) ? lane : least
    );
    return this.#replaceIf((lane) => lane === spare, "not needed", "idle_timeout");
  }

  #replaceIf(
    isDue: (lane: Lane<C>) => boolean,
    reason: string,
    counted: EvictionReason,
  ): number {
    const due = this.#lanes.filter(isDue);
    this.#lanes = this.#lanes.filter((lane) => !due.includes(lane));
    for (const lane of due) this.#retire(lane, reason, counted);
    if (this.#waiting.size > 0) this.#ensureLane();
    return due.length;
  }

  /** Waits until a lane is open; opens one if there is none. */
  async whenReady(signal?: AbortSignal): Promise<void> {
    if (this.#state !== "open") throw this.#closedError();
    signal?.throwIfAborted();
    if (this.#lanes.length > 0) return;
    const ready = this.#ready.add({ startedAt: 0, signal });
    this.#ensureLane();
    await ready;
  }

  /**
   * Takes no more commands, lets those it has finish, which may take `drainMs`, then ends the
   * lanes. Gives how many commands were cut.
   */
  async close(drainMs: number): Promise<number> {
    if (this.#state !== "open") return 0;
    this.#state = "draining";
    await this.#drain(drainMs);
    this.#state = "closed";
    this.#abort.abort(this.#closedError());
    const cut = this.#awaited;
    failAll(this.#waiting.takeAll(), this.#closedError());
    for (const lane of this.#all) lane.release("closed by the manager", "closed");
    this.#ready.failAll(() => this.#closedError());
    return cut;
  }

  async #drain(drainMs: number): Promise<void> {
    const { clock } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    const limit = clock.setTimer(resolve, drainMs);
    let timer: Timer | undefined;
    // Nothing notifies of the commands that callers abandon.
    const poll = () => {
      if (this.#awaited === 0) resolve();
      else timer = clock.setTimer(poll, POLL_MS);
    };
    poll();
    await promise;
    limit.cancel();
    timer?.cancel();
  }

  /**
   * Waits until all commands that were submitted before have been answered, or have failed.
   * Gives whether that took no longer than `timeoutMs`; at once where nothing is in flight.
   */
  async flush(timeoutMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const until = clock.now() + timeoutMs;
    // What is lost with a lane may be on another by then.
    for (let leftMs = timeoutMs; leftMs > 0; leftMs = until - clock.now()) {
      if (await flushBarrier(this.#sendsInUse, leftMs)) return true;
      // A command that fails at once would fail again until the sockets have been read.
      await this.#pause(Math.min(POLL_MS, until - clock.now()));
    }
    return false;
  }

  #pause(ms: number): Promise<void> {
    return this.#options.clock.sleep(ms, { ref: false });
  }

  /** One function for each lane that commands are in flight on, and one for those that wait. */
  get #sendsInUse(): Send[] {
    const sends = this.#all.filter(({ connection }) => connection.inFlight > 0)
      .map(({ connection }): Send => (command) => connection.send(command));
    if (this.#waiting.size > 0) sends.push((command) => this.#wait([command]));
    return sends;
  }

  /** Removes the commands that wait for a lane, for another owner to send; in order. */
  takeWaiting(): PendingCommand[] {
    return this.#waiting.takeAll();
  }

  /** A command was answered or lost, so that a drain may be over; called by the owner. */
  commandFinished(): void {
    if (this.#state !== "draining") return;
    if (this.inFlight + this.#waiting.size === 0) this.#drained?.();
  }

  /** The lane for a command; `undefined` while none is open or others wait before it. */
  #pick(large: boolean): Lane<C> | undefined {
    if (this.#waiting.size > 0 || this.#isProbing) return undefined;
    const lanes = this.#lanes;
    const best = chooseLane(lanes, large);
    if (best === undefined) return best;
    const { length } = lanes;
    if (length > 1 && !this.#allNeeded) {
      this.#allNeeded = large || areAllNeeded(length, loadOf(best.connection));
    }
    if (length < this.#options.maxLanes) {
      const { tick } = lanes[0]!.connection.stream;
      const least = loadOf(best.connection);
      if (this.#growth.wantsLane(tick, least, this.#opening === 0)) this.#openLane();
    }
    return best;
  }

  #refuse(commands: readonly PendingCommand[], { connection }: Lane<C>): void {
    const { stream, inFlight } = connection;
    const [what, count, most] = stream.congested
      ? ["bytes not taken by the server", stream.bufferedBytes, stream.maxBufferedBytes]
      : ["commands in flight", inFlight, MAX_IN_FLIGHT];
    failAll(commands, new OverloadedError(this.#options.database, what, count, most));
  }

  #wait(commands: readonly PendingCommand[]): void {
    const { database, maxWaiting, unreachable } = this.#options;
    if (this.#state === "closed") return failAll(commands, this.#closedError());
    if (!this.#waiting.hasRoom(commands.length, maxWaiting)) {
      const what = "commands that wait for a connection";
      const { size } = this.#waiting;
      const cause = unreachable?.();
      const error = new OverloadedError(database, what, size, maxWaiting, cause);
      return failAll(commands, error);
    }
    this.#waiting.add(commands);
    this.#ensureLane();
  }

  #expired(command: PendingCommand): void {
    const { clock, database, unreachable } = this.#options;
    const cause = unreachable?.();
    failAll([command], waitTimeoutError(command, database, clock.now(), cause));
    this.commandFinished();
  }

  #closedError(): ManagerClosedError {
    return new ManagerClosedError(this.#options.database);
  }

  #ensureLane(): void {
    if (this.#lanes.length + this.#opening === 0) this.#openLane();
  }

  #openLane(): void {
    this.#opening++;
    this.#options.open(this.#abort.signal).then(
      (lane) => this.#opened(lane),
      (error) => this.#openFailed(error),
    );
  }

  #opened(lane: Lane<C>): void {
    this.#opening--;
    if (this.#state === "closed") return lane.release("closed by the manager", "closed");
    this.#lanes.push(lane);
    this.#allNeeded = true;
    lane.connection.onEnd(() => this.#ended(lane));
    this.#ready.serveAll();
    this.#sendWaiting(lane);
    this.commandFinished();
  }

  #openFailed(error: Error): void {
    this.#opening--;
    if (this.#lanes.length > 0) return;
    failAll(this.#waiting.takeAll(), error);
    this.#ready.failAll(() => error);
    this.commandFinished();
  }

  /** Sends the commands that wait, unless a transaction among them needs a probe first. */
  #sendWaiting(lane: Lane<C>): void {
    if (this.#isProbing) return;
    const commands = this.#waiting.takeAll();
    if (this.#probe.isDue(commands)) {
      this.#waiting.add(commands);
      return void this.#probeTransactions(lane);
    }
    for (const command of commands) {
      if (!lane.connection.isOpen) this.#wait([command]);
      else lane.connection.send(command);
    }
  }

  async #probeTransactions(lane: Lane<C>): Promise<void> {
    this.#isProbing = true;
    const outcome = await this.#probe.run((command) => lane.connection.send(command));
    // A command that fails at once would fail again until the sockets have been read.
    if (outcome === "unanswered" && this.#state !== "closed") await this.#pause(POLL_MS);
    this.#isProbing = false;
    if (typeof outcome === "object") {
      const text = "the server let a transaction begin and not end";
      if (outcome.isStuck) lane.release(text, "lane_released");
      this.#refuseTransactions(outcome.error);
    }
    // The next lane may lead to another server.
    if (!this.#lanes.includes(lane)) this.#probe.reset();
    const next = chooseLane(this.#lanes, false);
    if (next !== undefined) this.#sendWaiting(next);
    else if (this.#waiting.size > 0) this.#ensureLane();
    this.commandFinished();
  }

  /** Fails the transactions that wait; the commands between and behind them stay. */
  #refuseTransactions(error: Error): void {
    const commands = this.#waiting.takeAll();
    const transactions = new Set(transactionsOf(commands));
    this.#waiting.add(commands.filter((command) => !transactions.has(command)));
    failAll(transactions, error, "rejected");
  }

  /** Ends a lane when the last command on it has been answered. */
  #retire(lane: Lane<C>, reason: string, counted: EvictionReason): void {
    const { connection } = lane;
    this.#retiring.add(lane);
    const end = () => {
      if (!this.#retiring.has(lane)) return;
      if (connection.inFlight === 0) lane.release(reason, counted);
      else this.#options.clock.setTimer(end, POLL_MS);
    };
    this.#options.clock.setTimer(end, 0);
  }

  #ended(lane: Lane<C>): void {
    this.#lanes = this.#lanes.filter((other) => other !== lane);
    this.#retiring.delete(lane);
    lane.release("ended", "ended");
    if (this.#state !== "closed" && this.#waiting.size > 0) this.#ensureLane();
    this.commandFinished();
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function hasRoom(lane: LaneConnection, count: number): boolean {
  return !lane.stream.congested && lane.inFlight + count <= MAX_IN_FLIGHT;
}

function failAll(
  commands: Iterable<PendingCommand>,
  error: Error,
  delivery: Delivery = "never-sent",
): void {
  for (const command of commands) {
    command.tracking.owner.failed(command, error, delivery);
  }
}
