import { Buffer } from "node:buffer";
import type { RedisConfig } from "../config/mod.ts";
import {
  type IORedisCommand,
  isReplyError,
  withoutArguments,
} from "../connection/ioredis.ts";
import { ManagedCommand } from "../connection/managed_command.ts";
import {
  type CommandOwner,
  type PendingCommand,
  settleFailed,
  track,
} from "../connection/pending_command.ts";
import { describeReplyError } from "../connection/reply_error.ts";
import type { Clock } from "../core/clock.ts";
import { unwritableError } from "../core/errors/command.ts";
import {
  CommandRefusedError,
  type Delivery,
  RedisManagerError,
} from "../core/errors/mod.ts";
import type { CommandClassifier, CommandInfo } from "../resilience/command_class.ts";
import { type CallOptions, onceTtlMs, type ScopedCommand } from "./call_options.ts";
import {
  type CarrierCommand,
  OnceDelivery,
  type OnceFailure,
  WHERE,
} from "./once_delivery.ts";

/** Arguments that a script can pass to a command: Lua's stack holds 8,000 values. */
const MAX_ARGUMENTS = 7000;
/** Commands that share a script: more would save little, and other clients wait longer. */
export const MAX_MEMBERS = 16;

/** What a script is sent as, as far as others than the server see it. */
const CARRIER = "set";

/**
 * Commands whose lists may hold nil. A script that reads RESP3 types ends a list at the first
 * nil, so these run with RESP2 types, which are the same for them, but for XREADGROUP's map.
 */
const LISTS_WITH_NIL: ReadonlySet<string> = new Set(
  ["bitfield", "hgetdel", "hgetex", "sort", "xautoclaim", "xclaim", "xreadgroup"],
);

/** Where the tokens of a command are, which decides who may run it. */
export interface TokenPlaces {
  /** Begin of the names of tokens that are in one slot with the command's keys. */
  tokenPrefix(command: IORedisCommand): string;
  /** The keys of a command that have to be declared: those that decide where it is run. */
  keysOf(command: IORedisCommand): readonly (string | Uint8Array)[];
  /** Puts the keys of a command in place; throws if they are not known. Unset where they need
   * not be. */
  readonly placeKeys?: (command: IORedisCommand) => void;
  /** Why no token can be in one slot with its keys; `undefined` if one can be. */
  whyUnplaced(command: IORedisCommand): string | undefined;
}

/** What writes that run once need. */
export interface OnceOptions {
  /** The database. */
  readonly config: Pick<RedisConfig, "commandTimeoutMs" | "name" | "replyMapping">;
  /** What kind of command a name is. */
  readonly classifier: CommandClassifier;
  /** Whether scripts may not run a command. */
  readonly isBarred: (name: string) => boolean;
  readonly places: TokenPlaces;
  /** Sends commands and counts them. */
  readonly dispatcher: CommandOwner & {
    dispatch(command: IORedisCommand): void;
    dispatchBatch(commands: readonly IORedisCommand[]): void;
    carrierReplied(command: PendingCommand): void;
    leaseFailed(command: PendingCommand, error: Error): void;
  };
  /** Waits for replicas, where the caller asks for them. */
  readonly holdForReplicas: (command: PendingCommand, call: CallOptions) => void;
  /** Time. */
  readonly clock: Clock;
}

/** Commands that share a script. */
interface Group {
  readonly members: PendingCommand[];
  readonly tokenPrefix: string;
  /** MULTI and EXEC around them, which are answered as the server would. */
  readonly around?: readonly [multi: PendingCommand, exec: PendingCommand];
}

/**
 * Makes writes run once: those that a client makes in one turn, or in a pipeline, are sent in
 * scripts of 16, a transaction in one. Commands that only read are sent as they are.
 */
export class OnceWrites {
  readonly #options: OnceOptions;
  readonly #delivery: OnceDelivery;
  readonly #reasons = new Map<CommandInfo, string>();

  constructor(options: OnceOptions) {
    this.#options = options;
    this.#delivery = new OnceDelivery(options.config, options.clock);
  }

  /** Decides what becomes of a script that failed, before the retry policy does. */
  failed(carrier: CarrierCommand, error: Error, delivery: Delivery): OnceFailure {
    return this.#delivery.failed(carrier, error, delivery);
  }

  /**
   * Delivers commands in order.
   *
   * @param isBatch Whether they are all sent or none, as those of a pipeline.
   */
  dispatch(
    commands: readonly IORedisCommand[],
    call: CallOptions,
    isBatch: boolean,
  ): void {
    const { dispatcher } = this.#options;
    let open = commands.map((command) => this.#track(command, call));
    const refusals = this.#refusalsOf(open);
    if (refusals !== undefined) {
      const [refused, cause] = refusals.entries().next().value!;
      const why = `it was refused by itself, so that none was sent (${cause.message})`;
      const rest = isBatch ? this.#refusal(refused, why, "a pipeline") : undefined;
      for (const command of open) {
        const error = refusals.get(command) ?? rest;
        if (error !== undefined) this.#fail(command, error);
      }
      open = isBatch ? [] : open.filter((command) => !refusals.has(command));
    }
    const wire = this.#carry(open, call);
    if (isBatch && wire.length > 1) dispatcher.dispatchBatch(wire);
    else for (const command of wire) dispatcher.dispatch(command);
  }

  #track(command: IORedisCommand, call: CallOptions): PendingCommand {
    const { classifier, config, dispatcher } = this.#options;
    const timeoutMs = call.timeoutMs ?? config.commandTimeoutMs;
    const tracked = track(command, dispatcher, timeoutMs);
    tracked.tracking.info = classifier.resolve(command.name, command.args);
    if (call.waitReplicas !== undefined && !tracked.tracking.settled) {
      this.#options.holdForReplicas(tracked, call);
    }
    return tracked;
  }

  #fail(command: PendingCommand, error: Error): void {
    if (!command.tracking.settled) this.#options.dispatcher.leaseFailed(command, error);
  }

  /** The commands that cannot run, and why; `undefined` if all can. */
  #refusalsOf(
    commands: readonly PendingCommand[],
  ): Map<PendingCommand, Error> | undefined {
    let refusals: Map<PendingCommand, Error> | undefined;
    let multi: PendingCommand | undefined;
    let first: PendingCommand | undefined;
    for (const command of commands) {
      const { info, settled } = command.tracking;
      let error: Error | undefined;
      if (settled) error = unwritableError(command as { name: string });
      else if (info!.name === "multi" && multi === undefined) {
        [multi, first] = [command, undefined];
      } else if (info!.name === "exec" && multi !== undefined) multi = undefined;
      else {
        if (multi !== undefined) first ??= command;
        error = this.#refusalOf(command, info!, multi && first);
      }
      if (error !== undefined) (refusals ??= new Map()).set(command, error);
    }
    if (multi !== undefined) {
      const why = "a transaction runs once if it ends with EXEC";
      (refusals ??= new Map()).set(multi, this.#refusal(multi, why));
    }
    return refusals;
  }

  #refusalOf(
    command: PendingCommand,
    info: CommandInfo,
    firstOfTransaction: PendingCommand | undefined,
  ): Error | undefined {
    const isWithin = firstOfTransaction !== undefined;
    if (info.class === "read" && !isWithin) return undefined;
    const why = this.#whyNever(info) ?? this.#whyNot(command, isWithin);
    if (why !== undefined) return this.#refusal(command, why);
    const error = this.#place(command);
    if (error !== undefined || !isWithin) return error;
    const { tokenPrefix } = this.#options.places;
    return tokenPrefix(command) === tokenPrefix(firstOfTransaction)
      ? undefined
      : this.#refusal(command, "all keys of a transaction have to be in one slot");
  }

  /** Puts its keys in place, where they have to be known; gives why it cannot. */
  #place(command: PendingCommand): Error | undefined {
    const { places } = this.#options;
    if (places.placeKeys === undefined) return undefined;
    try {
      places.placeKeys(command);
    } catch (error) {
      return error as Error;
    }
    const unplaced = places.whyUnplaced(command);
    return unplaced === undefined ? undefined : this.#refusal(command, unplaced);
  }

  /** Why no command of a kind can run; remembered, as it is asked for each. */
  #whyNever(info: CommandInfo): string | undefined {
    const known = this.#reasons.get(info);
    if (known !== undefined) return known === "" ? undefined : known;
    const why = whyNever(info, this.#options.isBarred);
    this.#reasons.set(info, why ?? "");
    return why;
  }

  #whyNot({ args }: PendingCommand, isWithin: boolean): string | undefined {
    if (isWithin && this.#options.config.replyMapping === "resp3") {
      return "transactions run once with replyMapping legacy only";
    }
    return args.length > MAX_ARGUMENTS
      ? `scripts pass ${MAX_ARGUMENTS} arguments at most, and it has ${args.length}`
      : undefined;
  }

  #refusal(
    command: IORedisCommand,
    why: string,
    where: string = WHERE,
  ): CommandRefusedError {
    return new CommandRefusedError(this.#options.config.name, command.name, why, where);
  }

  /** What is sent for commands: scripts, and those that only read as they are. */
  #carry(commands: readonly PendingCommand[], call: CallOptions): IORedisCommand[] {
    const { tokenPrefix } = this.#options.places;
    const wire: IORedisCommand[] = [];
    let groups = new Map<string, Group>();
    const flush = () => {
      for (const group of groups.values()) wire.push(this.#makeCarrier(group, call));
      groups = new Map();
    };
    for (let i = 0; i < commands.length; i++) {
      const command = commands[i]!;
      const { class: kind, name } = command.tracking.info!;
      if (name === "multi") {
        flush();
        const end = commands.findIndex(({ name }, at) => at > i && isExec(name));
        const members = commands.slice(i + 1, end);
        const around = [command, commands[end]!] as const;
        i = end;
        if (members.length === 0) answerTransaction(around, members, []);
        else {
          const group = { members, tokenPrefix: tokenPrefix(members[0]!), around };
          wire.push(this.#makeCarrier(group, call));
        }
      } else if (kind === "read") {
        flush();
        const { signal, timeoutMs } = call;
        wire.push(Object.assign(command, { call: { signal, timeoutMs } }));
      } else {
        const prefix = tokenPrefix(command);
        const group = groups.get(prefix);
        if (group !== undefined && this.#takes(group, call)) group.members.push(command);
        else {
          if (group !== undefined) flush();
          groups.set(prefix, { members: [command], tokenPrefix: prefix });
        }
      }
    }
    flush();
    return wire;
  }

  /** Whether a command may join others: not if it may be given up by itself, nor where its
   * reply may be nil, which ends a list of RESP3 types. */
  #takes({ members }: Group, { signal }: CallOptions): boolean {
    return members.length < MAX_MEMBERS && signal === undefined &&
      this.#options.config.replyMapping !== "resp3";
  }

  #makeCarrier(group: Group, call: CallOptions): IORedisCommand {
    const { config } = this.#options;
    const { around, members, tokenPrefix } = group;
    const [first] = members as [PendingCommand];
    // A write like any other, whatever its commands are: it is not split, nor asked about.
    const built = new ManagedCommand(CARRIER, [], { replyEncoding: null });
    const carrier = built as unknown as PendingCommand & ScopedCommand;
    const { signal, timeoutMs } = call;
    Object.assign(carrier, {
      keys: members.flatMap((member) => this.#options.places.keysOf(member)),
      call: { signal, timeoutMs, retryWrites: true },
    });
    const isTyped = config.replyMapping === "resp3" && !LISTS_WITH_NIL.has(first.name);
    const ttlMs = onceTtlMs(call, config.commandTimeoutMs);
    this.#delivery.prepare({ carrier, members, isTyped, ttlMs, tokenPrefix });
    carrier.resolve = (reply) =>
      this.#replied(carrier, group, reply as unknown as unknown[]);
    const told = around === undefined ? members : [...around, ...members];
    carrier.promise.catch((error) => this.#lose(told, error));
    return carrier;
  }

  /** The script was answered: so are its commands. */
  #replied(carrier: PendingCommand, group: Group, replies: unknown[]): void {
    const { tracking } = carrier;
    if (tracking.settled) return;
    tracking.settled = true;
    const { around, members } = group;
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!;
      const reply = replies[i];
      member.tracking.connection = tracking.connection;
      if (reply instanceof Error) replies[i] = this.#translate(member, reply);
      if (around === undefined) this.#answer(member, replies[i] ?? null);
    }
    if (around !== undefined) {
      for (const each of around) each.tracking.connection = tracking.connection;
      answerTransaction(around, members, replies);
    }
    this.#options.dispatcher.carrierReplied(carrier);
    carrier.succeed(undefined);
  }

  #answer(member: PendingCommand, reply: unknown): void {
    const { config, dispatcher } = this.#options;
    if (reply instanceof Error) dispatcher.leaseFailed(member, reply);
    else {
      const isMap = config.replyMapping === "resp3" && member.name === "xreadgroup";
      member.resolve((isMap ? mapOf(reply) : reply) as never);
    }
  }

  /** The script failed: its error is that of each of its commands. */
  #lose(members: readonly PendingCommand[], error: Error): void {
    members.forEach((member, i) => {
      // The first one is counted with the script.
      if (i === 0) settleFailed(member, errorOf(member, error));
      else this.#fail(member, errorOf(member, error));
    });
  }

  /** An error reply of a command as it would have had it by itself. */
  #translate(command: PendingCommand, error: Error): Error {
    const message = withoutArguments(error).message
      .replace(/^NOPERM ACL failure in script: /, "NOPERM ");
    const { info } = command.tracking;
    const { name } = command;
    const found = SCRIPT_ERRORS.find(([pattern]) => pattern.test(message));
    const [, textOf] = found ?? [undefined, () => message];
    if (textOf === undefined) {
      return Object.assign(this.#refusal(command, BARRED), { cause: error });
    }
    error.message = textOf(info!, String(command.args[0]));
    Object.assign(error, { command: { name, args: [] } });
    return describeReplyError(error, this.#options.config.name);
  }
}

function whyNever(
  info: CommandInfo,
  isBarred: OnceOptions["isBarred"],
): string | undefined {
  const { advice = "use manager.acquire()", class: kind, isScript, name } = info;
  if (isScript) {
    return "a script cannot run within a script: have it remember what it has done";
  }
  if (kind === "blocking") return "scripts cannot block";
  if (kind === "stateful" || kind === "subscribe") return advice;
  return isBarred(name.split("|")[0]!) ? BARRED : undefined;
}

function isExec(name: string): boolean {
  return name.toLowerCase() === "exec";
}

const OK = Buffer.from("OK");
const QUEUED = Buffer.from("QUEUED");

/** Answers the commands of a transaction as the server does. */
function answerTransaction(
  [multi, exec]: NonNullable<Group["around"]>,
  members: readonly PendingCommand[],
  replies: readonly unknown[],
): void {
  multi.resolve(OK);
  for (const member of members) member.resolve(QUEUED);
  exec.resolve(replies as never);
}

/** The error of a script for one of its commands; the reason of a signal is the caller's. */
function errorOf(member: PendingCommand, error: Error): Error {
  if (!(error instanceof RedisManagerError || isReplyError(error))) return error;
  const [from, to] = [CARRIER, member.name].map((name) => name.toUpperCase());
  const copy = new Error();
  Object.setPrototypeOf(copy, Object.getPrototypeOf(error));
  Object.defineProperties(copy, Object.getOwnPropertyDescriptors(error));
  copy.message = error.message.replace(` ${from} `, ` ${to} `);
  if ("command" in error) Object.assign(copy, { command: member.name });
  return copy;
}

/** The map that RESP2 has as a list of pairs. */
function mapOf(reply: unknown): unknown {
  const pairs = reply as [Uint8Array, unknown][] | null;
  return pairs && Object.fromEntries(pairs.map(([key, value]) => [`${key}`, value]));
}

const BARRED = "scripts may not run it";

/** What scripts say of a command, and how the server says it of the command by itself;
 * `undefined` where scripts alone may not run it. */
const SCRIPT_ERRORS: readonly [RegExp, ((info: CommandInfo, arg: string) => string)?][] =
  [
    [
      /^ERR Wrong number of args calling (?:\w+ )?command from script/,
      ({ name }) =>
        `ERR wrong number of arguments for '${name.replace(/\|$/, "")}' command`,
    ],
    [
      /^ERR Unknown (?:\w+ )?command called from script/,
      ({ name }, arg) => {
        const [command, subcommand] = name.split("|");
        return subcommand === undefined
          ? `ERR unknown command '${name}'`
          : `ERR unknown subcommand '${arg}'. Try ${command!.toUpperCase()} HELP.`;
      },
    ],
    [/^ERR This (?:\w+ )?command is not allowed from script/],
  ];
