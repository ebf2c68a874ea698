import type { CommandSink } from "../commands/dispatcher.ts";
import { addressMapper, type MapAddress } from "../config/address_map.ts";
import type { NodeAddress } from "../config/settings.ts";
import { isReplyError } from "../connection/ioredis.ts";
import {
  isAsking,
  makeAsking,
  type PendingCommand,
} from "../connection/pending_command.ts";
import { hostOf } from "../core/address.ts";
import {
  CommandRefusedError,
  type ConnectError,
  ManagerClosedError,
} from "../core/errors/mod.ts";
import { CommandQueue, failAll } from "../pool/command_queue.ts";
import type { Server } from "../server/server.ts";
import type { ServerContext } from "../server/topology.ts";
import type { SlotMapCache } from "./slot_map_cache.ts";
import {
  type BatchPart,
  commandSlot,
  describeCrossSlot,
  parseRedirect,
  partsOf,
  type Redirect,
} from "./slots.ts";
import { ClusterSpread } from "./spread.ts";

/** Most redirects of one command: more mean that the nodes disagree. */
export const MAX_REDIRECTS = 16;

type RouterContext = Pick<ServerContext, "clock" | "config" | "emit" | "statistics">;

interface ClusterRouterParts {
  readonly cache: SlotMapCache;
  readonly nodeAt: (address: NodeAddress) => Server;
  /** Why no node can be reached, as far as is known. */
  readonly unreachable?: () => ConnectError | undefined;
}

/** Adds to the error reply `CROSSSLOT` which keys are in two slots, and what to do. */
function nameKeysApart(command: PendingCommand, error: Error): void {
  const { message, stack } = error;
  const advice = describeCrossSlot(command.getKeys());
  if (advice === undefined || message.endsWith(advice)) return;
  error.message = `${message}: ${advice}`;
  // The stack begins with the message.
  error.stack = stack?.replace(message, () => error.message);
}

/**
 * Sends the ordinary commands of a database in a cluster to the node that serves their
 * slot, and again to where they are redirected. Until a slot map is known, commands wait, in
 * order and within their deadlines.
 */
export class ClusterRouter implements CommandSink {
  readonly #context: RouterContext;
  readonly #cache: SlotMapCache;
  readonly #map: MapAddress;
  readonly #nodeAt: (address: NodeAddress) => Server;
  readonly #waiting: CommandQueue;
  /** Redirects that a command has followed; most have none. */
  readonly #followed = new WeakMap<PendingCommand, number>();
  readonly #spread: ClusterSpread;
  #turn = 0;
  #drained: (() => void) | undefined;
  #closed = false;

  constructor(
    context: RouterContext,
    { cache, nodeAt, unreachable }: ClusterRouterParts,
  ) {
    this.#context = context;
    this.#cache = cache;
    this.#map = addressMapper(context.config.nodeAddressMap);
    this.#nodeAt = nodeAt;
    const submit = (part: PendingCommand) => this.submit(part);
    this.#spread = new ClusterSpread({ context, cache, submit });
    const { clock, config: { maxWaiting, name } } = context;
    this.#waiting = new CommandQueue({
      ...{ clock, database: name, maxWaiting, cause: unreachable },
      what: "commands that wait for the cluster to be known",
      expired: () => this.commandFinished(),
    });
  }

  /** Commands that wait until a slot map is known. */
  get waiting(): number {
    return this.#waiting.size;
  }

  submit(command: PendingCommand): void {
    if (command.tracking.info?.spread !== undefined) return this.#submitSpread(command);
    if (!this.#cache.isKnown) return this.#wait([command]);
    this.nodeOf(commandSlot(command)).submit(command);
  }

  /** The commands to send in place of one: itself, if it needs no parts or cannot run. */
  open(command: PendingCommand): readonly PendingCommand[] {
    const { info } = command.tracking;
    if (info?.spread === undefined || this.#spread.adviceOn(info) !== undefined) {
      return [command];
    }
    return this.#spread.open(command);
  }

  /** Sends a command, or its parts, if it has any. */
  #submitSpread(command: PendingCommand): void {
    const advice = this.#spread.adviceOn(command.tracking.info!);
    if (advice !== undefined) return this.#refuse([command], command.name, advice);
    if (!this.#cache.isKnown) return this.#wait([command]);
    for (const part of this.#spread.open(command)) this.#nodeFor(part).submit(part);
  }

  /** The node of a command, which may be a part of another one. */
  #nodeFor(command: PendingCommand): Server {
    const target = this.#spread.targetOf(command);
    if (target?.node !== undefined) return this.#nodeAt(target.node);
    return this.nodeOf(target === undefined ? commandSlot(command) : target.slot);
  }

  /** Sends commands to their nodes, those of one node with nothing in between; none if one
   * must not run. */
  submitBatch(commands: readonly PendingCommand[]): void {
    const parts = partsOf(commands);
    for (const { commands: [command], crossSlot } of parts) {
      const { info } = command!.tracking;
      const advice = crossSlot ?? (info && this.#spread.adviceOn(info));
      if (advice !== undefined) return this.#refuse(commands, command!.name, advice);
    }
    if (!this.#cache.isKnown) return this.#wait(commands);
    this.#send(parts);
  }

  /** Sends commands that waited elsewhere, in order. */
  resend(commands: readonly PendingCommand[]): void {
    const own = commands.filter((command) => !isAsking(command));
    if (own.length === 0) return;
    if (this.#cache.isKnown) this.#send(partsOf(own));
    else this.#wait(own);
  }

  /** A slot map is known: sends what waited for it. */
  mapLoaded(): void {
    this.resend(this.#waiting.takeAll());
    this.#drained?.();
  }

  /** No slot map can be loaded: fails what waits for it. */
  mapFailed(error: Error): void {
    failAll(this.#waiting.takeAll(), error);
    this.#drained?.();
  }

  commandFinished(): void {
    if (this.#drained !== undefined && this.#waiting.awaited === 0) this.#drained();
  }

  /** The node of a slot; of any slot if it is `undefined`. */
  nodeOf(slot: number | undefined): Server {
    const owner = slot === undefined ? undefined : this.#cache.map.ownerOf(slot);
    // For a slot that no node serves, any node replies with the reason.
    return owner === undefined ? this.#anyNode() : this.#nodeAt(owner);
  }

  /** Sends a command again to where an error reply redirects it; `false` if the error is
   * another one, or is not followed. */
  redirect(command: PendingCommand, error: Error): boolean {
    const redirect = this.follow(command, error);
    if (redirect === undefined) return false;
    const { tracking } = command;
    // The node that redirects is up; and the redirect does not count as an attempt.
    tracking.probe?.succeed();
    tracking.probe = undefined;
    tracking.attempts--;
    tracking.waited = true;
    const node = this.#nodeAt(redirect.node);
    if (redirect.kind === "moved") node.submit(command);
    else node.submitBatch([makeAsking(tracking.timeoutMs), command]);
    return true;
  }

  /** Returns the redirect of a command if it is to be followed: within its deadline, and a
   * limited number of times. Records what it says about the cluster, and counts it. */
  follow(command: PendingCommand, error: Error): Redirect | undefined {
    const redirect = this.learn(command, error);
    const { info, startedAt, timeoutMs } = command.tracking;
    // A command of a transaction cannot run by itself.
    if (redirect === undefined || command.inTransaction || info?.name === "exec") {
      return undefined;
    }
    const slot = commandSlot(command);
    // A redirect of another slot was made up by a script.
    if (slot !== undefined && slot !== redirect.slot) return undefined;
    const { clock, statistics } = this.#context;
    const followed = this.#followed.get(command) ?? 0;
    if (followed >= MAX_REDIRECTS || startedAt + timeoutMs <= clock.now()) {
      return undefined;
    }
    this.#followed.set(command, followed + 1);
    statistics.counts.redirects++;
    return redirect;
  }

  /** Records what an error reply says about the cluster; returns the redirect, if it is
   * one. */
  learn(command: PendingCommand, error: Error): Redirect | undefined {
    const { connection } = command.tracking;
    if (connection === undefined || !isReplyError(error)) return undefined;
    const { message } = error;
    if (message.startsWith("CROSSSLOT ")) nameKeysApart(command, error);
    const slot = message.startsWith("TRYAGAIN") ? commandSlot(command) : undefined;
    if (slot !== undefined) this.#cache.moves(slot);
    return this.readRedirect(message, connection.endpoint);
  }

  /** Reads the redirect out of the error reply of a node, and records it; `undefined` if it is
   * another error, or the user's address map fails, whose error the next discovery reports. */
  readRedirect(message: string, endpoint: string): Redirect | undefined {
    try {
      const redirect = parseRedirect(message, hostOf(endpoint), this.#map);
      if (redirect !== undefined) this.#cache.redirected(redirect);
      return redirect;
    } catch {
      this.#cache.refresh();
      return undefined;
    }
  }

  /** Lets commands that wait finish within a time, and refuses others that would have to
   * wait; returns how many were cut. */
  async close(drainMs: number): Promise<number> {
    const { clock, config: { name } } = this.#context;
    if (this.#waiting.size > 0 && drainMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#drained = resolve;
      const timer = clock.setTimer(resolve, drainMs);
      this.commandFinished();
      await promise;
      timer.cancel();
    }
    this.#closed = true;
    this.#drained = undefined;
    const left = this.#waiting.takeAll();
    failAll(left, new ManagerClosedError(name));
    return left.length;
  }

  /** Sends each part to its node, those of one node together. */
  #send(parts: readonly BatchPart<PendingCommand>[]): void {
    const byNode = new Map<Server, PendingCommand[]>();
    const add = (node: Server, commands: readonly PendingCommand[]) => {
      const group = byNode.get(node);
      if (group === undefined) byNode.set(node, [...commands]);
      else for (const command of commands) group.push(command);
    };
    for (const { commands, slot } of parts) {
      const [command] = commands;
      if (commands.length === 1 && command!.tracking.info?.spread !== undefined) {
        for (const part of this.#spread.open(command!)) add(this.#nodeFor(part), [part]);
        continue;
      }
      const [first] = byNode.keys();
      const isAnywhere = slot === undefined && first !== undefined;
      add(isAnywhere ? first : this.nodeOf(slot), commands);
    }
    for (const [node, group] of byNode) node.submitBatch(group);
  }

  /** A node that is connected, else one whose breaker is closed, in turn. */
  #anyNode(): Server {
    const { primaries } = this.#cache.map;
    const { length } = primaries;
    this.#turn = (this.#turn + 1) % length;
    const nodes = primaries.map((_, i) =>
      this.#nodeAt(primaries[(this.#turn + i) % length]!)
    );
    return nodes.find(({ gate, lanes }) => gate.allows() && lanes.size > 0) ??
      nodes.find(({ gate }) => gate.allows()) ?? nodes[0]!;
  }

  #wait(commands: readonly PendingCommand[]): void {
    const { config: { name } } = this.#context;
    if (this.#closed) return failAll(commands, new ManagerClosedError(name));
    if (this.#waiting.offer(commands)) this.#cache.refreshForCaller();
  }

  #refuse(commands: readonly PendingCommand[], name: string, advice: string): void {
    const where = name.toLowerCase() === "multi"
      ? "one node of the cluster"
      : "the client";
    const { config } = this.#context;
    failAll(commands, new CommandRefusedError(config.name, name, advice, where));
  }
}
