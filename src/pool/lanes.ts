import type { Clock, Timer } from "../core/clock.ts";
import {
  CommandTimeoutError,
  ManagerClosedError,
  OverloadedError,
} from "../core/errors/mod.ts";
import type { Connection } from "../connection/connection.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import { WaitingCommands } from "./lane_waiting.ts";

/** A shared connection under the pool's limit. */
export interface Lane {
  /** The connection. */
  readonly connection: Connection;
  /** When it should be replaced, on the monotonic clock; infinite for never. */
  readonly expiresAt: number;
  /** Gives the place under the limit back, and ends the connection. */
  release(reason: string): void;
}

/** What a set of lanes needs. */
export interface LaneSetOptions {
  /** Name of the database. */
  readonly database: string;
  /** Most lanes. */
  readonly maxLanes: number;
  /** Most commands that wait for a lane. */
  readonly maxWaiting: number;
  /** Opens a lane under the pool's limit. */
  readonly open: (signal: AbortSignal) => Promise<Lane>;
  /** Time. */
  readonly clock: Clock;
}

/** Most commands in flight on one lane; more are refused, with the numbers. */
const MAX_IN_FLIGHT = 100_000;
/** Commands in flight at which a lane counts as saturated, and below which it no
 * longer does: between the two nothing changes, so that lanes do not flap. */
const SATURATED_IN_FLIGHT = 256;
/** Unsent bytes at which a lane counts as saturated. */
const SATURATED_BYTES = 1024 * 1024;
/** Ticks in a row with every lane saturated after which another is opened. */
const SATURATED_TICKS = 8;
/** Time between two looks at a lane that is to end when it is idle, in milliseconds. */
const RETIRE_POLL_MS = 10;

type State =
  | { readonly name: "open" }
  | { readonly name: "draining"; readonly drained: () => void }
  | { readonly name: "closed" };

/**
 * The shared connections of one database: ordinary commands are multiplexed on them,
 * the one with the fewest in flight first. While none is open, commands wait, in
 * order and within their deadlines, and one is opened.
 */
export class LaneSet {
  readonly #options: LaneSetOptions;
  readonly #waiting: WaitingCommands;
  readonly #abort = new AbortController();
  #lanes: Lane[] = [];
  #opening = 0;
  #readyWaiters: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #saturatedTicks = 0;
  #saturatedTick = -1;
  #drainTimer: Timer | undefined;
  #state: State = { name: "open" };

  /**
   * Makes a set; opens nothing.
   *
   * @param options What it needs.
   */
  constructor(options: LaneSetOptions) {
    this.#options = options;
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
    return this.#lanes.reduce((sum, lane) => sum + lane.connection.inFlight, 0);
  }

  /** Commands that wait for a lane. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The open lanes' connections. */
  get connections(): readonly Connection[] {
    return this.#lanes.map((lane) => lane.connection);
  }

  /**
   * Sends a command on a lane, or lets it wait for one.
   *
   * @param command The command.
   */
  submit(command: TrackedCommand): void {
    const lane = this.#pick();
    if (lane === undefined) this.#wait([command]);
    else if (this.#hasRoom(lane, 1)) lane.send(command);
    else this.#refuse([command], lane);
  }

  /**
   * Sends commands one after the other on one lane, with nothing in between; all of
   * them or none.
   *
   * @param commands The commands.
   */
  submitBatch(commands: readonly TrackedCommand[]): void {
    const lane = this.#pick();
    if (lane === undefined) this.#wait(commands);
    else if (this.#hasRoom(lane, commands.length)) {
      for (const command of commands) lane.send(command);
    } else this.#refuse(commands, lane);
  }

  /**
   * Ends every lane for new ones: they lead to a server that cannot serve any more. What
   * is in flight on them is answered first.
   *
   * @param reason Why, in words.
   */
  replaceAll(reason: string): void {
    this.#replaceIf(() => true, reason);
  }

  /**
   * Ends one lane, when what is in flight on it has been answered.
   *
   * @param connection Its connection.
   * @param reason Why, in words.
   */
  replace(connection: Connection, reason: string): void {
    this.#replaceIf((lane) => lane.connection === connection, reason);
  }

  /**
   * Ends the lanes that have lived for long enough.
   *
   * @returns How many.
   */
  replaceExpired(): number {
    const now = this.#options.clock.now();
    return this.#replaceIf((lane) => lane.expiresAt <= now, "its lifetime is over");
  }

  #replaceIf(isDue: (lane: Lane) => boolean, reason: string): number {
    const due = this.#lanes.filter(isDue);
    this.#lanes = this.#lanes.filter((lane) => !due.includes(lane));
    for (const lane of due) this.#retire(lane, reason);
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
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#state = { name: "draining", drained: resolve };
    this.#drainTimer = this.#options.clock.setTimer(resolve, drainMs);
    this.#checkDrained();
    await promise;
    this.#drainTimer.cancel();
    this.#state = { name: "closed" };
    this.#abort.abort(new ManagerClosedError(this.#options.database));
    const left = this.#waiting.takeAll();
    const cut = this.inFlight + left.length;
    this.#failAll(left, new ManagerClosedError(this.#options.database));
    for (const lane of [...this.#lanes]) lane.release("closed by the manager");
    for (const waiter of this.#readyWaiters.splice(0)) {
      waiter.reject(new ManagerClosedError(this.#options.database));
    }
    return cut;
  }

  /** Something was answered or lost: a drain may be over. Called by the owner. */
  commandFinished(): void {
    if (this.#state.name === "draining") this.#checkDrained();
  }

  /** The open lane with the fewest commands in flight. */
  #pick(): Connection | undefined {
    if (this.#waiting.size > 0) return undefined;
    const lanes = this.#lanes;
    let best: Connection | undefined;
    for (let i = 0; i < lanes.length; i++) {
      const { connection } = lanes[i]!;
      if (!connection.isOpen) continue;
      if (best === undefined || load(connection) < load(best)) best = connection;
    }
    if (best !== undefined && lanes.length < this.#options.maxLanes) {
      this.#growIfSaturated(best);
    }
    return best;
  }

  /** The least loaded lane has been busy for some ticks: one more will help. */
  #growIfSaturated(least: Connection): void {
    if (load(least) < SATURATED_IN_FLIGHT) {
      this.#saturatedTicks = 0;
      return;
    }
    const { tick } = least.stream;
    if (tick === this.#saturatedTick) return;
    this.#saturatedTick = tick;
    if (++this.#saturatedTicks < SATURATED_TICKS || this.#opening > 0) return;
    this.#saturatedTicks = 0;
    this.#openLane();
  }

  #hasRoom(lane: Connection, count: number): boolean {
    return !lane.stream.congested && lane.inFlight + count <= MAX_IN_FLIGHT;
  }

  #refuse(commands: readonly TrackedCommand[], lane: Connection): void {
    const { stream, inFlight } = lane;
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

  #wait(commands: readonly TrackedCommand[]): void {
    const { database, maxWaiting } = this.#options;
    if (this.#state.name === "closed") {
      this.#failAll(commands, new ManagerClosedError(database));
    } else if (this.#waiting.size + commands.length > maxWaiting) {
      const { size } = this.#waiting;
      this.#failAll(
        commands,
        new OverloadedError(
          database,
          "commands that wait for a connection",
          size,
          maxWaiting,
        ),
      );
    } else {
      this.#waiting.add(commands);
      this.#ensureLane();
    }
  }

  #withdraw(command: TrackedCommand): void {
    const { database } = this.#options;
    const { timeoutMs } = command.tracking;
    this.#failAll(
      [command],
      new CommandTimeoutError(database, command.name, timeoutMs, "never-sent"),
    );
    this.commandFinished();
  }

  #failAll(commands: readonly TrackedCommand[], error: Error): void {
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

  #opened(lane: Lane): void {
    this.#opening--;
    if (this.#state.name === "closed") {
      lane.release("closed by the manager");
      return;
    }
    this.#lanes.push(lane);
    lane.connection.onEnd(() => this.#ended(lane));
    for (const waiter of this.#readyWaiters.splice(0)) waiter.resolve();
    for (const command of this.#waiting.takeAll()) {
      if (!lane.connection.isOpen) this.#wait([command]);
      else lane.connection.send(command);
    }
    this.commandFinished();
  }

  #openFailed(error: Error): void {
    this.#opening--;
    if (this.#lanes.length > 0) return;
    this.#failAll(this.#waiting.takeAll(), error);
    for (const waiter of this.#readyWaiters.splice(0)) waiter.reject(error);
    this.commandFinished();
  }

  /** Ends a lane when the last command on it has been answered. */
  #retire(lane: Lane, reason: string): void {
    const { connection } = lane;
    const end = () => {
      if (connection.inFlight === 0 || !connection.isOpen) lane.release(reason);
      else this.#options.clock.setTimer(end, RETIRE_POLL_MS);
    };
    this.#options.clock.setTimer(end, 0);
  }

  #ended(lane: Lane): void {
    this.#lanes = this.#lanes.filter((other) => other !== lane);
    lane.release("ended");
    if (this.#state.name !== "closed" && this.#waiting.size > 0) this.#ensureLane();
    this.commandFinished();
  }

  #checkDrained(): void {
    if (this.#state.name !== "draining") return;
    if (this.inFlight + this.#waiting.size === 0) this.#state.drained();
  }
}

/** How busy a lane is: commands in flight, and unsent bytes on the same scale. */
function load(connection: Connection): number {
  const bytes = connection.stream.bufferedBytes;
  const scaled = bytes === 0 ? 0 : bytes * (SATURATED_IN_FLIGHT / SATURATED_BYTES);
  return connection.inFlight + scaled;
}
