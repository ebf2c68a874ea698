import type { Buffer } from "node:buffer";
import { deliveryOf } from "../commands/pipeline.ts";
import type { NodeAddress } from "../config/settings.ts";
import { isReplyError } from "../connection/ioredis.ts";
import { ManagedCommand } from "../connection/managed_command.ts";
import {
  type CommandOwner,
  type PendingCommand,
  settleFailed,
  track,
} from "../connection/pending_command.ts";
import { formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import {
  type BatchResult,
  CommandTimeoutError,
  PartialError,
  type PartResult,
  RedisManagerError,
} from "../core/errors/mod.ts";
import type { CommandInfo } from "../resilience/command_class.ts";
import {
  type CommandSpread,
  isFanOut,
  mergeReplies,
} from "../resilience/command_spread.ts";
import type { ServerContext } from "../server/topology.ts";
import { ClusterScan } from "./cluster_scan.ts";
import type { SlotMapCache } from "./slot_map_cache.ts";
import { keySlot, type SlotMap } from "./slots.ts";

type Key = string | Uint8Array;

const encoder = new TextEncoder();

/** Where a part goes. */
interface PartTarget {
  /** The slot whose node it is for; of a part for a node, a slot that stands for it. */
  readonly slot: number | undefined;
  /** The node that it is for, as long as that is a primary; then its successor. */
  readonly node?: NodeAddress;
  /** Whether it is for no other node than this. */
  readonly isFixed?: boolean;
}

/** The part of a command that is for one node. */
interface NodePart {
  readonly command: PendingCommand;
  /** The node's name. */
  readonly node: string;
  readonly isReplica: boolean;
}

/** A command that runs in parts. */
interface Whole {
  readonly command: PendingCommand;
  readonly info: CommandInfo;
  /** Its owner, which gets the outcome of each part. */
  readonly owner: CommandOwner;
}

/** Settles commands that run in parts: they are neither counted nor retried themselves. */
class WholeOwner implements CommandOwner {
  readonly isOfParts = true;
  readonly #owner: CommandOwner;

  constructor(owner: CommandOwner) {
    this.#owner = owner;
  }

  replied(): void {
    this.#owner.wholeSettled?.();
  }

  failed(command: PendingCommand, error: Error): void {
    settleFailed(command, error);
    this.#owner.wholeSettled?.();
  }
}

/** Words of each key: an MSET has its value behind it. */
const WORDS: Readonly<Record<string, number>> = { mset: 2 };

/** A node that got its first slots in this time before a command for every node, in
 * milliseconds, may be missed; older changes of the cluster are looked for. */
const MAP_AGE_MS = 1000;
/** How often a command for every node is sent to nodes that have come meanwhile. */
const MAX_ROUNDS = 4;
/** How long a replica may take longer than the primaries until it has a connection, in
 * milliseconds. */
const REPLICA_MS = 1000;
/** The errors of single steps say more than that of the whole, which is later by this, in
 * milliseconds. */
const GRACE_MS = 50;

const BY_NODE = "its replies cannot be merged, and it would reach one node of the " +
  'cluster only: use manager.acquire(database, { node: "host:port" }) for each node';

interface ClusterSpreadParts {
  readonly context: Pick<ServerContext, "clock" | "config" | "emit">;
  readonly cache: SlotMapCache;
  /** Sends a part; again to where {@linkcode ClusterSpread.targetOf} says. */
  readonly submit: (part: PendingCommand) => void;
}

/** A part of a command: its reply stays as it came, as the whole command converts it. */
class PartCommand extends ManagedCommand {
  constructor(name: string, args: readonly unknown[]) {
    super(name, [...args], { replyEncoding: null });
    this.transformReply = (reply) => reply as never;
  }
}

/**
 * Runs commands of a cluster in parts: those with keys in several slots by slot, those that
 * mean the whole cluster on every primary, or on every node. The parts are sent, redirected, retried and
 * counted as other commands are; their replies become the reply of the whole.
 */
export class ClusterSpread {
  readonly #parts: ClusterSpreadParts;
  readonly #targets = new WeakMap<PendingCommand, PartTarget>();

  readonly #scan: ClusterScan;

  constructor(parts: ClusterSpreadParts) {
    this.#parts = parts;
    this.#scan = new ClusterScan(parts);
  }

  /** What to do instead of a command that means several nodes and has no single reply;
   * `undefined` if it can run. */
  adviceOn({ name, spread }: CommandInfo): string | undefined {
    if (spread === undefined || name === "randomkey" || name === "scan") return undefined;
    return spread.response === "special" ? BY_NODE : undefined;
  }

  /** The commands to send in place of one: itself, if it needs no parts or is one. */
  open(command: PendingCommand): readonly PendingCommand[] {
    if (this.#targets.has(command)) return [command];
    if (command.tracking.info!.spread!.request === "special") {
      this.#openScan(command);
      return [];
    }
    const parts = isFanOut(command.tracking.info!.spread)
      ? this.#openForNodes(command)
      : this.#openForSlots(command);
    // A part whose signal has aborted is settled.
    return parts.filter(({ tracking }) => !tracking.settled);
  }

  /** Where a part goes by the current map; `undefined` for a command that is none. */
  targetOf(command: PendingCommand): PartTarget | undefined {
    const target = this.#targets.get(command);
    if (target?.node === undefined || target.isFixed === true) return target;
    const { primaries } = this.#parts.cache.map;
    const name = formatAddress(target.node);
    const node = primaries.find((each) => formatAddress(each) === name);
    return { slot: target.slot, node };
  }

  #openForSlots(command: PendingCommand): PendingCommand[] {
    const { args } = command;
    const { name, spread } = command.tracking.info!;
    const words = WORDS[name] ?? 1;
    const places = Array.from({ length: Math.floor(args.length / words) }, (_, i) => i);
    const keyAt = (place: number) => args[place * words] as Key;
    const bySlot = Map.groupBy(places, (place) => keySlot(keyAt(place)));
    // The server says what is wrong with a key that has no value.
    if (bySlot.size <= 1 || args.length % words !== 0) return [command];
    const whole = this.#takeOver(command);
    const parts = [...bySlot].map(([slot, places]) => {
      const own = places.flatMap((i) => args.slice(i * words, (i + 1) * words));
      return { places, command: this.#part(whole, name, own, { slot }) };
    });
    Promise.all(parts.map(({ command }) => resultOf(command))).then((results) => {
      const keyed = results.map((result, i): PartResult => ({
        keys: parts[i]!.places.map((place) => this.#unprefixed(keyAt(place))),
        ...result,
      }));
      const error = this.#failureOf(whole, keyed);
      if (error !== undefined) return command.reject(error);
      const replies = results.map((result) => result.ok ? result.value : undefined);
      const isList = spread!.response === "joined";
      command.resolve(
        isList
          ? scatter(parts.map(({ places }) => places), replies)
          : mergeReplies(spread!.response, replies),
      );
    }).catch((error) => command.reject(error));
    return parts.map(({ command }) => command);
  }

  /** Runs a SCAN, each of whose steps goes to one node. */
  #openScan(command: PendingCommand): void {
    const whole = this.#takeOver(command);
    const page = this.#scan.page(command, async (node, name, ...args) => {
      const target = { node, slot: undefined, isFixed: true };
      const part = this.#part(whole, name, args, target);
      if (!part.tracking.settled) this.#parts.submit(part);
      const reply: unknown = await part.promise;
      return { reply, connection: part.tracking.connection };
    });
    const { clock, config: { name } } = this.#parts.context;
    const { startedAt, timeoutMs } = command.tracking;
    // The steps have the same deadline; what is between them has none of its own.
    const timer = clock.setTimer(() => {
      command.reject(new CommandTimeoutError(name, "scan", timeoutMs, "ambiguous"));
    }, startedAt + timeoutMs + GRACE_MS - clock.now());
    page.then(
      (reply) => command.resolve(reply as never),
      (error) => command.reject(error),
    )
      .finally(() => timer.cancel());
  }

  #openForNodes(command: PendingCommand): PendingCommand[] {
    const { map } = this.#parts.cache;
    const whole = this.#takeOver(command);
    const parts = this.#partsForNodes(whole, nodesOf(map, whole.info.spread!), map);
    this.#finishForNodes(whole, parts).catch((error) => command.reject(error));
    return parts.map(({ command }) => command);
  }

  #partsForNodes(
    whole: Whole,
    nodes: readonly NodeAddress[],
    map: SlotMap,
  ): NodePart[] {
    const { args, name } = whole.command;
    return nodes.map((node) => {
      const slot = map.firstSlotOf(node);
      const isReplica = slot === undefined;
      // A replica has no successor.
      const command = this.#part(whole, name, args, { node, slot, isFixed: isReplica });
      return { node: formatAddress(node), isReplica, command };
    });
  }

  /** Waits for the replies; sends the command to nodes that have come meanwhile. */
  async #finishForNodes(whole: Whole, parts: readonly NodePart[]): Promise<void> {
    const { cache, context: { clock }, submit } = this.#parts;
    const { command, info: { spread } } = whole;
    const { startedAt, timeoutMs } = command.tracking;
    const { response } = spread!;
    const since = clock.now() - MAP_AGE_MS;
    // By the node that has answered, which may have taken over from another one.
    const results = new Map<string, PartResult>();
    const away = new Set<string>();
    for (let round = 1;; round++) {
      const settled = await this.#settle(parts);
      for (const [i, { command, isReplica, node: meant }] of parts.entries()) {
        const result = settled[i]!;
        // A replica that cannot be reached is no more than one that joins later.
        if (isReplica && !result.ok && result.delivery === "never-sent") {
          away.add(meant);
          continue;
        }
        const answered = result.ok ? command.tracking.connection?.endpoint : undefined;
        const node = answered ?? meant;
        results.set(node, { node, ...result });
      }
      const all = [...results.values()];
      if (response === "one_succeeded" && all.some(({ ok }) => ok)) break;
      const error = this.#failureOf(whole, all);
      if (error !== undefined) return command.reject(error);
      const leftMs = startedAt + timeoutMs - clock.now();
      if (round === MAX_ROUNDS || leftMs <= 0) break;
      await within(leftMs, clock, cache.loadedSince(since));
      const { map } = cache;
      const nodes = nodesOf(map, spread!).filter((each) =>
        !away.has(formatAddress(each))
      );
      const names = new Set(nodes.map(formatAddress));
      // Of one that is no primary any more the successor counts.
      for (const name of results.keys()) if (!names.has(name)) results.delete(name);
      const missing = nodes.filter((node) => !results.has(formatAddress(node)));
      if (missing.length === 0) break;
      parts = this.#partsForNodes(whole, missing, map);
      for (const { command } of parts) if (!command.tracking.settled) submit(command);
    }
    const succeeded = [...results.values()].filter((result) => result.ok);
    command.resolve(mergeReplies(response, succeeded.map(({ value }) => value)));
  }

  /** Waits for parts; a little longer than for primaries for replicas that cannot be reached:
   * they get no command any more then. */
  async #settle(parts: readonly NodePart[]): Promise<BatchResult[]> {
    const { clock, config: { name } } = this.#parts.context;
    const results = parts.map(({ command }) => resultOf(command));
    await Promise.all(results.filter((_, i) => !parts[i]!.isReplica));
    await within(REPLICA_MS, clock, Promise.all(results));
    for (const { command, isReplica } of parts) {
      if (!isReplica || command.tracking.underWay) continue;
      settleFailed(
        command,
        new CommandTimeoutError(name, command.name, REPLICA_MS, "never-sent"),
      );
    }
    return await Promise.all(results);
  }

  /** Becomes the owner of a command, which keeps its deadline. */
  #takeOver(command: PendingCommand): Whole {
    const { info, owner, startedAt, timeoutMs, waited } = command.tracking;
    const { tracking } = track(command, new WholeOwner(owner), timeoutMs);
    tracking.info = info;
    tracking.startedAt = waited ? startedAt : this.#parts.context.clock.now();
    tracking.waited = true;
    return { command, info: info!, owner };
  }

  #part(
    { command, owner }: Whole,
    name: string,
    args: readonly unknown[],
    target: PartTarget,
  ): PendingCommand {
    const part = new PartCommand(name, args) as unknown as PendingCommand;
    this.#targets.set(part, target);
    return owner.partOf!(command, part);
  }

  #unprefixed(key: Key): Key {
    const { keyPrefix } = this.#parts.context.config;
    if (keyPrefix === "") return key;
    const isText = typeof key === "string";
    return key.slice((isText ? keyPrefix : encoder.encode(keyPrefix)).length);
  }

  /** The error of a command of which parts failed; `undefined` if none did. */
  #failureOf(
    { command, info }: Whole,
    results: readonly PartResult[],
  ): Error | undefined {
    const failed = results.filter((result) => !result.ok);
    const [first] = failed;
    if (first === undefined) return undefined;
    // The reason of a signal: nothing is lost with the replies of a read.
    if (info.isRead && !isOwnError(first.error)) return first.error;
    const isSame = failed.length === results.length &&
      new Set(failed.map(kindOf)).size === 1;
    if (isSame) return first.error;
    const parts = results.map((result) =>
      result.ok
        ? { ...result, value: command.transformReply(result.value as Buffer) }
        : result
    );
    return new PartialError(this.#parts.context.config.name, info.name, parts);
  }
}

/** What became of a part. */
async function resultOf({ promise, tracking }: PendingCommand): Promise<BatchResult> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    const isSilent = !isOwnError(error) && !tracking.underWay;
    const delivery = isSilent ? "never-sent" : deliveryOf(error as Error);
    return { ok: false, error: error as Error, delivery };
  }
}

/** Whether an error is not the reason of a caller's signal. */
function isOwnError(error: unknown): boolean {
  return error instanceof RedisManagerError || isReplyError(error);
}

/** What two failures have in common that are one to their caller. */
function kindOf({ delivery, error }: BatchResult & { ok: false }): string {
  const { code, replyCode } = error as { code?: string; replyCode?: string };
  return [delivery, error.name, code, replyCode].join();
}

/** The nodes that a command is for that means the whole cluster. */
function nodesOf(map: SlotMap, { request }: CommandSpread): NodeAddress[] {
  const { primaries } = map;
  if (request !== "all_nodes") return [...primaries];
  return [...primaries, ...primaries.flatMap((each) => map.replicasOf(each))];
}

/** Puts the items of lists at their places. */
function scatter(
  places: readonly (readonly number[])[],
  lists: readonly unknown[],
): unknown[] {
  const all: unknown[] = [];
  for (const [i, list] of lists.entries()) {
    for (const [j, place] of places[i]!.entries()) all[place] = (list as unknown[])[j];
  }
  return all;
}

/** Waits for a promise, and no longer than a time. */
async function within(
  ms: number,
  clock: Clock,
  promise: Promise<unknown>,
): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimer(resolve, ms, true);
  await Promise.race([promise, over]);
  timer.cancel();
}
