import type { Connection } from "../connection/connection.ts";
import type { PendingCommand } from "../connection/pending_command.ts";
import { isMulti } from "../connection/transaction_gate.ts";
import type { Clock } from "../core/clock.ts";
import {
  type ConnectError,
  ManagerClosedError,
  OverloadedError,
} from "../core/errors/mod.ts";
import {
  chooseLane,
  isLarge,
  type LaneChoice,
  type LaneLoad,
  loadOf,
} from "./lane_choice.ts";
import { LaneDrain } from "./lane_drain.ts";
import { passFence, type Way } from "./lane_fence.ts";
import { LaneGrowth } from "./lane_growth.ts";
import { areAllNeeded, hasSurplus } from "./lane_surplus.ts";
import { waitedInVain, WaitingCommands } from "./lane_waiting.ts";
import { TransactionTrial } from "./transaction_trial.ts";
import type { EvictionReason } from "./types.ts";

/** What lanes need of a connection. */
export interface LaneConnection extends LaneLoad {
  /** Its stream. */
  readonly stream: LaneLoad["stream"] & {
    /** Whether so much is unsent that no more should be written. */
    readonly congested: boolean;
    /** The number of unsent bytes that counts as congestion. */
    readonly maxBufferedBytes: number;
    /** Number of the current tick of writes. */
    readonly tick: number;
  };
  /** Commands in flight whose callers wait for them. */
  readonly awaited: number;
  /** Sends a command. */
  send(command: PendingCommand): void;
  /** Calls back once when it has ended. */
  onEnd(fn: () => void): void;
}

/** A shared connection under the pool's limit. */
export interface Lane<C extends LaneConnection = Connection> extends LaneChoice<C> {
  /** When it should be replaced, on the monotonic clock; infinite for never. */
  readonly expiresAt: number;
  /** Gives the place under the limit back, and ends the connection: why in words, and
   * what it is counted as. */
  release(reason: string, counted: EvictionReason): void;
}

/** What a set of lanes needs. */
export interface LaneSetOptions<C extends LaneConnection = Connection> {
  /** Name of the database. */
  readonly database: string;
  /** Most lanes. */
  readonly maxLanes: number;
  /** Most commands that wait for a lane. */
  readonly maxWaiting: number;
  /** Lanes that have been more than needed for this long are ended one by one, in
   * milliseconds; 0 = never. */
  readonly idleTimeoutMs: number;
  /** How long a server may take to tell whether it lets transactions begin, in
   * milliseconds. */
  readonly commandTimeoutMs: number;
  /** Why no connection can be opened at the moment, as far as is known: told to what
   * waited in vain. Default: nothing is known. */
  readonly unreachable?: () => ConnectError | undefined;
  /** Opens a lane under the pool's limit. */
  readonly open: (signal: AbortSignal) => Promise<Lane<C>>;
  /** Time. */
  readonly clock: Clock;
}

/** Most commands in flight on one lane; more are refused, with the numbers. */
const MAX_IN_FLIGHT = 100_000;
/** Time between two looks at what comes without a word, in milliseconds. */
const POLL_MS = 10;

type State =
  | { readonly name: "open" }
  | { readonly name: "draining"; readonly drain: LaneDrain }
  | { readonly name: "closed" };

/**
 * The shared connections of one database: ordinary commands are multiplexed on them,
 * the one with the fewest in flight first. While none is open, commands wait, in
 * order and within their deadlines, and one is opened.
 */
export class LaneSet<C extends LaneConnection = Connection> {
  readonly #options: LaneSetOptions<C>;
  readonly #waiting: WaitingCommands;
  readonly #abort = new AbortController();
  #lanes: Lane<C>[] = [];
  /** Lanes that take no more commands and end when theirs are answered. */
  readonly #retiring = new Set<Lane<C>>();
  #opening = 0;
  #readyWaiters: { resolve: () => void; reject: (error: Error) => void }[] = [];
  readonly #growth = new LaneGrowth();
  readonly #trial: TransactionTrial;
  /** Whether a trial is under way: all commands wait behind it, so that the order stays and
   * none becomes a part of it. */
  #isTrying = false;
  /** Whether all lanes have been needed since the surplus was looked at last. */
  #allNeeded = false;
  #neededAt = 0;
  #state: State = { name: "open" };

  /**
   * Makes a set; opens nothing.
   *
   * @param options What it needs.
   */
  constructor(options: LaneSetOptions<C>) {
    this.#options = options;
    this.#trial = new TransactionTrial(options.commandTimeoutMs);
    this.#waiting = new WaitingCommands(
      options.clock,
      (command) => this.#withdraw(command),
    );
  }

  /** Lanes that are open. */
  get size(): number {
    return this.#lanes.length;
  }

  /** Commands sent and not answered, on all lanes. */
  get inFlight(): number {
    let sum = 0;
    for (const { connection } of this.#lanes) sum += connection.inFlight;
    for (const { connection } of this.#retiring) sum += connection.inFlight;
    return sum;
  }

  /** Commands that wait for a lane. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Those in flight and those that wait whose callers wait for them. */
  get #awaited(): number {
    let sum = this.#waiting.awaited;
    for (const { connection } of this.#lanes) sum += connection.awaited;
    for (const { connection } of this.#retiring) sum += connection.awaited;
    return sum;
  }

  /** The open lanes' connections. */
  get connections(): readonly C[] {
    return this.#lanes.map((lane) => lane.connection);
  }

  /**
   * Sends a command on a lane, or lets it wait for one.
   *
   * @param command The command.
   */
  submit(command: PendingCommand): void {
    const lanes = this.#lanes;
    const large = lanes.length > 1 && isLarge(command);
    const lane = this.#pick(large);
    if (lane === undefined) return this.#wait([command]);
    if (!this.#hasRoom(lane.connection, 1)) return this.#refuse([command], lane);
    if (large) lane.large = command;
    lane.connection.send(command);
  }

  /**
   * Sends commands one after the other on one lane, with nothing in between; all of
   * them or none. The first transaction waits until the server is known to let it begin,
   * and so does all that comes behind.
   *
   * @param commands The commands.
   */
  submitBatch(commands: readonly PendingCommand[]): void {
    const large = this.#lanes.length > 1 ? commands.findLast(isLarge) : undefined;
    const lane = this.#pick(large !== undefined);
    if (lane === undefined) return this.#wait(commands);
    if (!this.#hasRoom(lane.connection, commands.length)) {
      return this.#refuse(commands, lane);
    }
    if (this.#trial.isDue(commands)) {
      // Without a look at how many may wait: it would never be sent where few may.
      this.#waiting.add(commands);
      return void this.#tryTransaction(lane);
    }
    lane.large = large ?? lane.large;
    for (const command of commands) lane.connection.send(command);
  }

  /**
   * Ends every lane for new ones: they lead to a server that cannot serve any more. What
   * is in flight on them is answered first.
   *
   * @param reason Why, in words.
   */
  replaceAll(reason: string): void {
    this.#trial.forget();
    this.#replaceIf(() => true, reason, "lane_released");
  }

  /** The server refused a transaction although it had let others run. */
  transactionRefused(): void {
    this.#trial.forget();
  }

  /**
   * Ends one lane, when what is in flight on it has been answered.
   *
   * @param connection Its connection.
   * @param reason Why, in words.
   */
  replace(connection: C, reason: string): void {
    this.#replaceIf((lane) => lane.connection === connection, reason, "lane_released");
  }

  /**
   * Ends the lanes that have lived for long enough.
   *
   * @returns How many.
   */
  replaceExpired(): number {
    const now = this.#options.clock.now();
    const isOver = (lane: Lane<C>) => lane.expiresAt <= now;
    return this.#replaceIf(isOver, "its lifetime is over", "max_lifetime");
  }

  /**
   * Ends one lane, when what is in flight on it has been answered, if there has been one
   * too many for all of the idle timeout.
   *
   * @returns How many: 0 or 1.
   */
  shrink(): number {
    const now = this.#options.clock.now();
    if (this.#allNeeded) this.#neededAt = now;
    this.#allNeeded = false;
    const { idleTimeoutMs } = this.#options;
    const use = { lanes: this.#lanes.length, neededAt: this.#neededAt, idleTimeoutMs };
    if (!hasSurplus(use, now)) return 0;
    this.#neededAt = now;
    // Of equally idle ones the last: the first is chosen first.
    const spare = this.#lanes.reduce((least, lane) =>
      loadOf(lane.connection) <= loadOf(least.connection) ? lane : least
    );
    return this.#replaceIf((lane) => lane === spare, "nobody needs it", "idle_timeout");
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

  /**
   * Waits until a lane is open.
   *
   * @param signal Ends the wait.
   */
  whenReady(signal?: AbortSignal): Promise<void> {
    if (this.#state.name !== "open") {
      return Promise.reject(new ManagerClosedError(this.#options.database));
    }
    signal?.throwIfAborted();
    if (this.#lanes.length > 0) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    const abort = () => {
      this.#readyWaiters = this.#readyWaiters.filter((other) => other !== waiter);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#readyWaiters.push(waiter);
    this.#ensureLane();
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /**
   * Takes no more commands, lets those it has finish, then ends the lanes.
   *
   * @param drainMs How long they may take, in milliseconds.
   * @returns How many commands were cut.
   */
  async close(drainMs: number): Promise<number> {
    if (this.#state.name !== "open") return 0;
    const drain = new LaneDrain({
      isAwaited: () => this.#awaited > 0,
      pollMs: POLL_MS,
      clock: this.#options.clock,
    });
    this.#state = { name: "draining", drain };
    await drain.wait(drainMs);
    this.#state = { name: "closed" };
    this.#abort.abort(new ManagerClosedError(this.#options.database));
    const cut = this.#awaited;
    const left = this.#waiting.takeAll();
    this.#failAll(left, new ManagerClosedError(this.#options.database));
    for (const lane of [...this.#lanes, ...this.#retiring]) {
      lane.release("closed by the manager", "closed");
    }
    for (const waiter of this.#readyWaiters.splice(0)) {
      waiter.reject(new ManagerClosedError(this.#options.database));
    }
    return cut;
  }

  /**
   * Waits until all that was submitted before has been answered, or has failed.
   *
   * @param timeoutMs How long that may take, in milliseconds.
   * @returns Whether it has; at once where nothing is under way.
   */
  async passed(timeoutMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const until = clock.now() + timeoutMs;
    // What is lost with a lane may be on another by then.
    for (let leftMs = timeoutMs; leftMs > 0; leftMs = until - clock.now()) {
      if (await passFence(this.#waysInUse, leftMs)) return true;
      // What is refused at once is refused until the sockets have had their turn.
      await this.#pause(Math.min(POLL_MS, until - clock.now()));
    }
    return false;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimer(resolve, ms));
  }

  /** The ways that commands are under way on. */
  get #waysInUse(): Way[] {
    const ways = [...this.#lanes, ...this.#retiring]
      .filter(({ connection }) => connection.inFlight > 0)
      .map(({ connection }): Way => (command) => connection.send(command));
    if (this.#waiting.size > 0) ways.push((command) => this.#wait([command]));
    return ways;
  }

  /**
   * Gives up the commands that wait for a lane, for somebody else to send.
   *
   * @returns The commands, in order.
   */
  takeWaiting(): PendingCommand[] {
    return this.#waiting.takeAll();
  }

  /** Something was answered or lost: a drain may be over. Called by the owner. */
  commandFinished(): void {
    if (this.#state.name !== "draining") return;
    if (this.inFlight + this.#waiting.size === 0) this.#state.drain.end();
  }

  /** The lane for a command; `undefined` while none is open or others wait before it. */
  #pick(large: boolean): Lane<C> | undefined {
    if (this.#waiting.size > 0 || this.#isTrying) return undefined;
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

  #hasRoom(lane: C, count: number): boolean {
    return !lane.stream.congested && lane.inFlight + count <= MAX_IN_FLIGHT;
  }

  #refuse(commands: readonly PendingCommand[], { connection }: Lane<C>): void {
    const { stream, inFlight } = connection;
    const { database } = this.#options;
    this.#failAll(
      commands,
      stream.congested
        ? new OverloadedError(
          database,
          "bytes not taken by the server",
          stream.bufferedBytes,
          stream.maxBufferedBytes,
        )
        : new OverloadedError(database, "commands in flight", inFlight, MAX_IN_FLIGHT),
    );
  }

  #wait(commands: readonly PendingCommand[]): void {
    const { database, maxWaiting } = this.#options;
    if (this.#state.name === "closed") {
      this.#failAll(commands, new ManagerClosedError(database));
    } else if (!this.#waiting.hasRoom(commands.length, maxWaiting)) {
      const { size } = this.#waiting;
      this.#failAll(
        commands,
        new OverloadedError(
          database,
          "commands that wait for a connection",
          size,
          maxWaiting,
          this.#options.unreachable?.(),
        ),
      );
    } else {
      this.#waiting.add(commands);
      this.#ensureLane();
    }
  }

  #withdraw(command: PendingCommand): void {
    const { clock, database, unreachable } = this.#options;
    this.#failAll(
      [command],
      waitedInVain(command, database, clock.now(), unreachable?.()),
    );
    this.commandFinished();
  }

  #failAll(commands: readonly PendingCommand[], error: Error): void {
    for (const command of commands) {
      command.tracking.owner.failed(command, error, "never-sent");
    }
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
    if (this.#state.name === "closed") {
      lane.release("closed by the manager", "closed");
      return;
    }
    this.#lanes.push(lane);
    this.#allNeeded = true;
    lane.connection.onEnd(() => this.#ended(lane));
    for (const waiter of this.#readyWaiters.splice(0)) waiter.resolve();
    this.#sendWaiting(lane);
    this.commandFinished();
  }

  /** Sends what waits, unless there is a transaction that has to be tried first. */
  #sendWaiting(lane: Lane<C>): void {
    if (this.#isTrying) return;
    const commands = this.#waiting.takeAll();
    if (this.#trial.isDue(commands)) {
      this.#waiting.add(commands);
      return void this.#tryTransaction(lane);
    }
    for (const command of commands) {
      if (!lane.connection.isOpen) this.#wait([command]);
      else lane.connection.send(command);
    }
  }

  async #tryTransaction(lane: Lane<C>): Promise<void> {
    this.#isTrying = true;
    const outcome = await this.#trial.run((command) => lane.connection.send(command));
    // What is refused at once is refused until the sockets have had their turn.
    const isOver = this.#state.name === "closed";
    if (outcome.kind === "unanswered" && !isOver) await this.#pause(POLL_MS);
    this.#isTrying = false;
    if (outcome.kind === "refused") {
      const text = "the server let a transaction begin and not end";
      if (outcome.isStuck) lane.release(text, "lane_released");
      this.#refuseTransactions(outcome.error);
    }
    // What is known of a server is of no use for the next one.
    if (!this.#lanes.includes(lane)) this.#trial.forget();
    const next = chooseLane(this.#lanes, false);
    if (next !== undefined) this.#sendWaiting(next);
    else if (this.#waiting.size > 0) this.#ensureLane();
    this.commandFinished();
  }

  /** Fails the transactions that wait; what came between and behind them stays. */
  #refuseTransactions(error: Error): void {
    const commands = this.#waiting.takeAll();
    const transactions = new Set(transactionsOf(commands));
    this.#waiting.add(commands.filter((command) => !transactions.has(command)));
    for (const command of transactions) {
      command.tracking.owner.failed(command, error, "rejected");
    }
  }

  #openFailed(error: Error): void {
    this.#opening--;
    if (this.#lanes.length > 0) return;
    this.#failAll(this.#waiting.takeAll(), error);
    for (const waiter of this.#readyWaiters.splice(0)) waiter.reject(error);
    this.commandFinished();
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
    if (this.#state.name !== "closed" && this.#waiting.size > 0) this.#ensureLane();
    this.commandFinished();
  }
}

/** The commands from each MULTI to its EXEC or DISCARD. */
function transactionsOf(commands: readonly PendingCommand[]): PendingCommand[] {
  let isWithin = false;
  return commands.filter(({ name }) => {
    const wasWithin = isWithin;
    isWithin = isMulti(name) || (isWithin && !/^(?:exec|discard)$/i.test(name));
    return isWithin || wasWithin;
  });
}
