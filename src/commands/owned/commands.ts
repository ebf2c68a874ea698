import type { RedisConfig } from "../../config/mod.ts";
import type { Command } from "../../connection/ioredis.ts";
import {
  acceptReply,
  type HeldCommand,
  type PendingCommand,
  settleFailed,
} from "../../connection/pending_command.ts";
import {
  CommandTimeoutError,
  ConnectionLostError,
  type Delivery,
} from "../../core/errors/mod.ts";
import type { BlockingCommands, Cancellation } from "../blocking.ts";
import type { ScopedCommand } from "../call_options.ts";
import { Dispatcher, type DispatcherOptions, OPEN_GATE } from "../dispatcher.ts";
import {
  type ClusterSubscriber,
  type ClusterSubscriberParts,
  isAboutSubscriptions,
} from "./cluster_subscriber.ts";
import {
  type OwnConnection,
  type OwnConnectionOwner,
  PASSING,
} from "./own_connection.ts";
import { patientPolicy, waits } from "./patience.ts";

/** What the commands of one owned client need. */
export interface OwnedCommandsOptions
  extends Omit<DispatcherOptions, "blocking" | "config"> {
  /** The database, with what differs for this client. */
  readonly config: DispatcherOptions["config"] & Pick<RedisConfig, "db">;
  /** Whether commands wait as long as the server is away. */
  readonly patient: boolean;
  /** Whether a patient client sends again what may have run, as ioredis does. */
  readonly resends: boolean;
  /** Runs blocking commands, each on a lease. */
  readonly makeBlocking: (
    owner: Pick<Dispatcher, "leaseFailed" | "replied">,
  ) => BlockingCommands;
  /** Makes what subscribes in a cluster, where the own connection would reach one node. */
  readonly makeSubscriber?: (
    emit: ClusterSubscriberParts["emit"],
  ) => ClusterSubscriber;
  /** Makes the connection that the client has alone. */
  readonly makeOwn: (owner: OwnConnectionOwner) => OwnConnection;
}

/** The client of the commands. */
export interface OwnListener
  extends Pick<OwnConnectionOwner, "emit" | "lost" | "troubled"> {
  /** The first command came: begins to connect. */
  wake(): void;
  /** Ends the client, as a QUIT asks for. */
  quit(): Promise<"OK">;
}

/** Commands that wait until those before them, which go another way, are settled. */
interface Waiting {
  readonly commands: readonly Command[];
  /** Whether they came together. */
  readonly isBatch: boolean;
  /** Which way they have to go, as far as that is known. */
  readonly way: "any" | "own" | "blocking";
}

/** The message of ioredis' error for a client that has ended: libraries compare it. */
const CLOSED = "Connection is closed.";

/** The error of a command whose client has ended, as ioredis words it. */
export function closedError(delivery: Delivery): Error {
  return Object.assign(new Error(CLOSED), { delivery });
}

/** Commands that speak another protocol from then on. */
const REPLICATION: ReadonlySet<string> = new Set(["sync", "psync", "replconf"]);

/** What to call in a cluster in place of what lasts as long as a connection. */
const ONE_NODE =
  "in a cluster it would bind the client to one node: give another database " +
  "number a database of its own, or use manager.acquire(database, { node })";

/** How long the server may take to end what waits, when the client ends, in milliseconds. */
const END_MS = 1000;

/**
 * The commands of one client that a library owns. They go over the lanes of the database,
 * which all clients share; blocking ones on a lease each; what changes its connection, or
 * subscribes, over a connection that the client has alone ({@linkcode OwnConnection}).
 *
 * A client of ioredis has one connection, so its commands run in order. Here commands that
 * go another way than those before wait until these are settled. Only what comes behind a
 * blocking command does not wait for it.
 */
export class OwnedCommands extends Dispatcher {
  readonly #own: OwnConnection;
  readonly #subscriber: ClusterSubscriber | undefined;
  readonly #blocking: BlockingCommands;
  readonly #listener: OwnListener;
  readonly #options: Pick<OwnedCommandsOptions, "clock" | "config">;
  readonly #patient: boolean;
  readonly #resends: boolean;
  readonly #statistics: DispatcherOptions["statistics"];
  readonly #sink: DispatcherOptions["sink"];
  /** Commands on the lanes. */
  readonly #shared = new OpenCommands();
  #waiting: Waiting[] = [];
  /** Where commands go at present; `asleep` until the first one. */
  #to: "asleep" | "lanes" | "own" | "nowhere" = "asleep";
  /** Whether the command that is being delivered was found to go another way. */
  #isDiverted = false;
  #isAdvancing = false;
  /** Commands of one transaction that are failing, one after the other. */
  #failing: [PendingCommand, Error, Delivery][] = [];
  #whenIdle: PromiseWithResolvers<void> | undefined;

  constructor(options: OwnedCommandsOptions, listener: OwnListener) {
    const { patient, resends, retryPolicy, servers } = options;
    super({
      ...options,
      retryPolicy: patient ? patientPolicy(retryPolicy, resends) : retryPolicy,
      servers: patient ? withoutBreaker(servers) : servers,
      blocking: () => ({
        run: (command) => this.#divert([command], "blocking"),
        abort: (command, reason) => this.#blocking.abort(command, reason),
      }),
    });
    this.#listener = listener;
    this.#options = options;
    this.#patient = patient;
    this.#resends = resends;
    this.#statistics = options.statistics;
    this.#sink = options.sink;
    this.#blocking = options.makeBlocking({
      replied: (command, reply) => {
        super.replied(command, reply);
        this.#settled();
      },
      leaseFailed: (command, error) => {
        super.leaseFailed(command, inform(command, error));
        this.#settled();
      },
    });
    this.#own = options.makeOwn({
      replied: (command, reply) => super.replied(command, reply),
      leaseFailed: (command, error) => super.leaseFailed(command, inform(command, error)),
      settled: () => this.#settled(),
      emit: (event, ...args) => listener.emit(event, ...args),
      lost: () => listener.lost(),
      troubled: (error) => listener.troubled(error),
    });
    this.#subscriber = options.makeSubscriber?.((...event) => listener.emit(...event));
  }

  /** The connection that the client has alone. */
  get own(): OwnConnection {
    return this.#own;
  }

  /** Whether nothing is in flight or waits. */
  get isIdle(): boolean {
    return this.#shared.size + this.#blocking.size + this.#waiting.length === 0 &&
      !this.#own.isBusy;
  }

  override dispatch(command: Command): void {
    if (this.#to === "lanes" && this.#waiting.length === 0) this.#share(command);
    else this.#wait({ commands: [command], isBatch: false, way: "any" });
  }

  override dispatchBatch(commands: readonly Command[]): void {
    if (this.#to === "lanes" && this.#waiting.length === 0) this.#shareBatch(commands);
    else this.#wait({ commands, isBatch: true, way: "any" });
  }

  override replied(command: PendingCommand, reply: unknown): void {
    this.#shared.settle();
    super.replied(command, reply);
    if (this.#waiting.length > 0 || this.#whenIdle !== undefined) this.#settled();
  }

  /** What waits for it is behind its last part. */
  wholeSettled(): void {
    this.#settled();
  }

  override carrierReplied(command: PendingCommand): void {
    super.carrierReplied(command);
    this.#settled();
  }

  override failed(command: PendingCommand, error: Error, delivery: Delivery): void {
    if (this.#patient && this.#joins(command)) {
      return this.#collect(command, error, delivery);
    }
    super.failed(command, inform(command, error), delivery);
    this.#settled();
  }

  /** What a shared connection must not run goes over the own one. */
  protected override exclusive(
    commands: readonly PendingCommand[],
    unfit: PendingCommand,
  ): void {
    if (this.#subscriber !== undefined && commands.every(isSubscription)) {
      for (const command of commands) void this.#subscribe(this.#subscriber, command);
      return;
    }
    const { info } = unfit.tracking;
    const name = info?.name ?? "";
    if (REPLICATION.has(name)) super.exclusive(commands, unfit);
    else if (this.#subscriber === undefined || PASSING.has(name) || name === "quit") {
      this.#divert(commands, "own");
    } else if (commands.length > 1 || !this.#isNothingInCluster(unfit, name)) {
      unfit.tracking.info = { ...info!, advice: ONE_NODE };
      super.exclusive(commands, unfit);
    } else if (acceptReply(unfit, "OK")) unfit.succeed("OK");
  }

  /** Whether a stateful command changes nothing in a cluster, where many connections have the
   * names that the database gives them. */
  #isNothingInCluster({ args }: PendingCommand, name: string): boolean {
    return name === "client|setname" || name === "client|setinfo" ||
      name === "select" && Number(args[0]) === this.#options.config.db;
  }

  async #subscribe(
    subscriber: ClusterSubscriber,
    command: PendingCommand,
  ): Promise<void> {
    try {
      const count = await subscriber.run(command);
      if (acceptReply(command, count)) command.succeed(count);
    } catch (error) {
      this.leaseFailed(command, error as Error);
      this.#settled();
    }
  }

  /** Takes commands: the client begins to live. */
  begin(): void {
    this.#to = this.#own.isPinned ? "own" : "lanes";
    this.#own.reopen();
    this.#subscriber?.reopen();
  }

  /** Takes no more commands; resolves when all that were taken are settled. */
  async finish(): Promise<void> {
    this.#to = "nowhere";
    if (this.isIdle) return;
    await (this.#whenIdle ??= Promise.withResolvers()).promise;
  }

  /** Ends its blocking commands on the server, which may take `withinMs` to answer. */
  async endBlocking(withinMs: number = END_MS): Promise<void> {
    const cut: Cancellation = {
      untouched: closedError("rejected"),
      ambiguous: () => closedError("ambiguous"),
    };
    await this.#blocking.cancelAll(cut, withinMs);
  }

  /** Takes no more commands, and fails all that are not settled; blocking ones are ended on
   * the server. */
  async end(): Promise<void> {
    this.#to = "nowhere";
    await this.cut();
    this.#own.close(closedError);
    this.#subscriber?.close();
  }

  /** Fails all commands that are not settled. */
  async cut(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const ended = this.endBlocking();
    for (const { commands } of waiting) {
      for (const command of commands) command.reject(closedError("never-sent"));
    }
    for (const command of this.#shared.takeAll()) this.#abandon(command);
    await ended;
    this.#settled();
  }

  #abandon(command: PendingCommand): void {
    const { tracking } = command;
    const error = closedError(tracking.underWay ? "ambiguous" : "never-sent");
    tracking.probe?.cancel();
    this.#statistics.commandFailed(error);
    settleFailed(command, error);
    this.#sink.commandFinished();
  }

  #share(command: Command): void {
    super.dispatch(command);
    if (this.#takeDiverted()) return;
    const pending = command as PendingCommand & ScopedCommand;
    if (pending.tracking.settled) return;
    this.#shared.add(pending);
    // What its signal aborts is settled elsewhere.
    if (pending.call?.signal !== undefined) {
      const settled = () => this.#settled();
      pending.promise.then(settled, settled);
    }
  }

  /** Whether what was just delivered went another way. */
  #takeDiverted(): boolean {
    if (!this.#isDiverted) return false;
    this.#isDiverted = false;
    return true;
  }

  #shareBatch(commands: readonly Command[]): void {
    super.dispatchBatch(commands);
    if (this.#takeDiverted()) return;
    for (const command of commands as readonly PendingCommand[]) {
      if (!command.tracking.settled) this.#shared.add(command);
    }
  }

  /** Commands turn out to go another way than over the lanes; nothing is before them. */
  #divert(commands: readonly PendingCommand[], way: Waiting["way"]): void {
    this.#isDiverted = true;
    const waiting = { commands, isBatch: commands.length > 1, way };
    this.#waiting.unshift(waiting);
    this.#limit(waiting);
  }

  #wait(waiting: Waiting): void {
    if (this.#to === "asleep") this.#listener.wake();
    if (this.#to === "nowhere") {
      for (const command of waiting.commands) command.reject(closedError("never-sent"));
      return;
    }
    this.#waiting.push(waiting);
    this.#limit(waiting);
  }

  /** Delivers what waits, and lets the deadline of these commands pass, and their signal
   * abort, while they wait, here or for the own connection. */
  #limit(waiting: Waiting): void {
    const { config, clock } = this.#options;
    const commands = waiting.commands as readonly (Command & HeldCommand)[];
    const { call, promise } = commands[0] as Command & ScopedCommand;
    const { signal, timeoutMs = config.commandTimeoutMs } = call ?? {};
    const now = clock.now();
    for (const command of commands) command.waitingSince ??= now;
    const leftMs = commands[0]!.waitingSince! + timeoutMs - now;
    this.#advance();
    const giveUp = (errorOf: (command: Command) => unknown) => {
      const at = this.#waiting.indexOf(waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
      for (const command of commands) {
        if (!(at >= 0 || this.#own.withdraw(command)) || !isUnsettled(command)) continue;
        const error = errorOf(command) as Error;
        this.#statistics.commandFailed(error);
        if (isTracked(command)) settleFailed(command, error);
        else command.reject(error);
      }
      this.#settled();
    };
    const abort = () => giveUp(() => signal!.reason);
    if (signal?.aborted) return abort();
    signal?.addEventListener("abort", abort);
    const timer = timeoutMs === Infinity ? undefined : clock.setTimer(() => {
      giveUp(({ name }) =>
        new CommandTimeoutError(config.name, name, timeoutMs, "never-sent")
      );
    }, leftMs);
    const forget = () => {
      timer?.cancel();
      signal?.removeEventListener("abort", abort);
    };
    if (timer !== undefined || signal !== undefined) promise.then(forget, forget);
  }

  /** Delivers what waits, as far as that may go. */
  #advance(): void {
    // What is delivered may turn out to go another way: it is the next of the same loop.
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    try {
      this.#deliverAll();
    } finally {
      this.#isAdvancing = false;
    }
  }

  #deliverAll(): void {
    for (let first; (first = this.#waiting[0]) !== undefined;) {
      const toOwn = first.way === "own" || this.#own.isPinned;
      const isOnLanes = this.#shared.size > 0;
      if (toOwn ? isOnLanes : this.#own.isBusy) return;
      if (first.way === "blocking" && isOnLanes) return;
      this.#waiting.shift();
      const isEnding = this.#to === "nowhere";
      if (!isEnding) this.#to = toOwn ? "own" : "lanes";
      this.#deliver(first, toOwn);
    }
  }

  #deliver({ commands, isBatch, way }: Waiting, toOwn: boolean): void {
    if (toOwn) {
      for (const command of commands as readonly (Command & ScopedCommand)[]) {
        if (command.call !== undefined && !isTracked(command)) this.track(command);
      }
      return this.#sendOnOwn(commands.filter(isUnsettled));
    }
    if (way === "any") {
      if (isBatch) this.#shareBatch(commands);
      else this.#share(commands[0]!);
      return;
    }
    const [command] = commands as readonly PendingCommand[];
    if (isUnsettled(command!)) this.#blocking.run(command!);
  }

  #sendOnOwn(commands: readonly Command[]): void {
    const [command] = commands;
    const isQuit = commands.length === 1 && command!.name.toLowerCase() === "quit";
    if (!isQuit) return this.#own.send(commands);
    this.#listener.quit().then(
      (reply) => command!.resolve(reply),
      (error) => command!.reject(error),
    );
  }

  #settled(): void {
    this.#shared.settle();
    if (this.#waiting.length > 0) this.#advance();
    if (this.#whenIdle !== undefined && this.isIdle) {
      this.#whenIdle.resolve();
      this.#whenIdle = undefined;
    }
  }

  /** Whether a command that fails belongs to a transaction that is failing. */
  #joins({ tracking }: PendingCommand): boolean {
    const name = tracking.info?.name;
    return tracking.settled ? false : name === "multi" || this.#failing.length > 0;
  }

  /** A transaction of which nothing ran waits for the server as a whole: its commands fail
   * one after the other, and are sent again together. */
  #collect(command: PendingCommand, error: Error, delivery: Delivery): void {
    if (this.#failing.length === 0) queueMicrotask(() => this.#failCollected());
    this.#failing.push([command, error, delivery]);
    const isEnd = command.tracking.info?.name === "exec";
    if (!isEnd || !waits(error, delivery, this.#resends)) {
      if (isEnd) this.#failCollected();
      return;
    }
    const commands = this.#failing.map(([each]) => each);
    const isWhole = this.#failing.every(([, , delivery]) => delivery !== "rejected");
    if (!isWhole) return this.#failCollected();
    this.#failing = [];
    this.#statistics.counts.totalRetryAttempts++;
    this.#sink.submitBatch(commands);
  }

  #failCollected(): void {
    const failing = this.#failing;
    this.#failing = [];
    for (const [command, error, delivery] of failing) {
      super.failed(command, inform(command, error), delivery);
    }
    this.#settled();
  }
}

/** Least number of places in {@linkcode OpenCommands}. */
const LEAST_PLACES = 16;

/**
 * The commands that are not settled, in the order in which they came. They are mostly settled
 * in that order, so that a ring needs no search: a Set made each command twice as expensive.
 */
class OpenCommands {
  #ring: (PendingCommand | undefined)[] = new Array(LEAST_PLACES).fill(undefined);
  #first = 0;
  #length = 0;

  /** How many they are, with those that were settled out of order. */
  get size(): number {
    return this.#length;
  }

  add(command: PendingCommand): void {
    if (this.#length === this.#ring.length) this.#makeRoom();
    this.#ring[(this.#first + this.#length++) & (this.#ring.length - 1)] = command;
  }

  /** Drops the first ones, as far as they are settled. Hot path. */
  settle(): void {
    const mask = this.#ring.length - 1;
    while (this.#length > 0 && this.#ring[this.#first]!.tracking.settled) {
      this.#ring[this.#first] = undefined;
      this.#first = (this.#first + 1) & mask;
      this.#length--;
    }
  }

  takeAll(): PendingCommand[] {
    const mask = this.#ring.length - 1;
    const open: PendingCommand[] = [];
    for (let i = 0; i < this.#length; i++) {
      const command = this.#ring[(this.#first + i) & mask]!;
      if (!command.tracking.settled) open.push(command);
    }
    this.#fill([], LEAST_PLACES);
    return open;
  }

  /** Drops those that were settled out of order, or doubles the ring if they are few. */
  #makeRoom(): void {
    const places = this.#ring.length;
    const open = this.takeAll();
    this.#fill(open, open.length * 2 > places ? places * 2 : places);
  }

  #fill(open: readonly PendingCommand[], places: number): void {
    this.#ring = new Array(places).fill(undefined);
    open.forEach((command, i) => this.#ring[i] = command);
    this.#first = 0;
    this.#length = open.length;
  }
}

/**
 * Gives the loss of a connection the message of ioredis: libraries compare it, and take a
 * job for failed otherwise that was only not acknowledged. What happened is its cause.
 * Libraries do not wait for everything that they send; as ioredis sends such commands again,
 * their loss must not end the process as an unhandled rejection.
 */
function inform(command: PendingCommand, error: Error): Error {
  if (!(error instanceof ConnectionLostError)) return error;
  command.promise.catch(() => {});
  if (error.message !== CLOSED) {
    error.cause = new Error(error.message);
    error.message = CLOSED;
  }
  return error;
}

function isSubscription({ name }: Command): boolean {
  return isAboutSubscriptions(name);
}

function isTracked(command: Command): command is PendingCommand {
  return (command as Partial<PendingCommand>).tracking !== undefined;
}

function isUnsettled(command: Command): boolean {
  return (command as Partial<PendingCommand>).tracking?.settled !== true;
}

/** The same servers; their circuit breaker is not asked. */
function withoutBreaker(
  servers: DispatcherOptions["servers"],
): DispatcherOptions["servers"] {
  return {
    gate: OPEN_GATE,
    openError: () => servers.openError(),
    redirect: (command, error) => servers.redirect?.(command, error) ?? false,
    reresolve: (reason) => servers.reresolve(reason),
    notReady: (connection) => servers.notReady(connection),
    transactionRefused: (connection) => servers.transactionRefused(connection),
  };
}
