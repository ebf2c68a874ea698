import { isAsking, makeAsking } from "../commands/asking.ts";
import type { CommandSink } from "../commands/dispatcher.ts";
import { isReplyError } from "../connection/driver.ts";
import type { TrackedCommand } from "../connection/tracked.ts";
import type { Clock } from "../core/clock.ts";
import {
  CommandRefusedError,
  type ConnectError,
  ManagerClosedError,
  OverloadedError,
} from "../core/errors/mod.ts";
import type { DatabaseStatistics } from "../observability/database_statistics.ts";
import { CommandQueue, waitTimeoutError } from "../pool/command_queue.ts";
import type { ClusterDirectory } from "../topology/cluster_directory.ts";
import {
  type BatchPart,
  commandSlot,
  crossSlotText,
  partsOf,
} from "../topology/command_slot.ts";
import { oneNodeAdvice } from "../topology/one_node_commands.ts";
import { followsRedirect, parseRedirect, type Redirect } from "../topology/redirect.ts";
import { type ClusterAddress, hostOf } from "../topology/slot_map.ts";
import type { ServerConnections } from "./server_connections.ts";

/** What a router needs. */
export interface ClusterRouterOptions {
  /** Name of the database. */
  readonly database: string;
  /** Most commands that wait until something is known of the cluster. */
  readonly maxWaiting: number;
  /** Who serves what. */
  readonly directory: ClusterDirectory;
  /** Why nothing is known of the cluster yet, as far as is known. Default: it is not. */
  readonly unreachable?: () => ConnectError | undefined;
  /** A node's connections. */
  readonly nodeAt: (address: ClusterAddress) => ServerConnections;
  /** Who counts. */
  readonly statistics: DatabaseStatistics;
  /** Time. */
  readonly clock: Clock;
}

/**
 * Takes the ordinary commands of a database in a cluster to the node that serves their
 * slot, and once more to where they are redirected to. Until something is known of the
 * cluster they wait, in order and within their deadlines.
 */
export class ClusterRouter implements CommandSink {
  readonly #options: ClusterRouterOptions;
  readonly #waiting: CommandQueue;
  /** Redirects that a command has followed; most have none. */
  readonly #followed = new WeakMap<TrackedCommand, number>();
  #turn = 0;
  #drained: (() => void) | undefined;
  #closed = false;

  /**
   * Sends nothing yet.
   *
   * @param options What it needs.
   */
  constructor(options: ClusterRouterOptions) {
    this.#options = options;
    this.#waiting = new CommandQueue(
      options.clock,
      (command) => this.#withdraw(command),
    );
  }

  /** Commands that wait until something is known of the cluster. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Sends a command to its node.
   *
   * @param command The command.
   */
  submit(command: TrackedCommand): void {
    const slot = commandSlot(command);
    const advice = slot === undefined ? oneNodeAdvice(command.name) : undefined;
    if (advice !== undefined) return this.#refuse([command], command.name, advice);
    if (!this.#options.directory.isKnown) return this.#wait([command]);
    this.nodeOf(slot).submit(command);
  }

  /**
   * Sends commands to their nodes, those of one node with nothing in between; none if one
   * may not run.
   *
   * @param commands The commands.
   */
  submitBatch(commands: readonly TrackedCommand[]): void {
    const parts = partsOf(commands);
    for (const { commands: [command], crossSlot, slot } of parts) {
      if (crossSlot !== undefined) {
        return this.#refuse(commands, command!.name, crossSlotText(crossSlot));
      }
      const advice = slot === undefined ? oneNodeAdvice(command!.name) : undefined;
      if (advice !== undefined) return this.#refuse(commands, command!.name, advice);
    }
    if (!this.#options.directory.isKnown) return this.#wait(commands);
    this.#send(parts);
  }

  /**
   * Sends commands that waited elsewhere, in order.
   *
   * @param commands The commands.
   */
  resend(commands: readonly TrackedCommand[]): void {
    const own = commands.filter((command) => !isAsking(command));
    if (own.length === 0) return;
    if (this.#options.directory.isKnown) this.#send(partsOf(own));
    else this.#wait(own);
  }

  /** Something is known of the cluster now: sends what waited for it. */
  known(): void {
    this.resend(this.#waiting.takeAll());
    this.#drained?.();
  }

  /**
   * Nothing is known of the cluster: fails what waits.
   *
   * @param error Why.
   */
  unknown(error: Error): void {
    this.#failAll(this.#waiting.takeAll(), error);
    this.#drained?.();
  }

  /** A command was answered or failed for good; the nodes look after themselves. */
  commandFinished(): void {
    if (this.#drained !== undefined && this.#waiting.awaited === 0) this.#drained();
  }

  /**
   * The node for a slot.
   *
   * @param slot The slot; `undefined` for any node that serves.
   * @returns The node.
   */
  nodeOf(slot: number | undefined): ServerConnections {
    const { directory, nodeAt } = this.#options;
    const owner = slot === undefined ? undefined : directory.map.ownerOf(slot);
    // Of a slot that nobody serves, any node tells what is the matter.
    return owner === undefined ? this.#anyNode() : nodeAt(owner);
  }

  /**
   * Sends a command to where an error reply says that it belongs.
   *
   * @param command The command, answered by the error.
   * @param error The error.
   * @returns Whether it was sent; `false` if the error says no such thing, or not again.
   */
  redirect(command: TrackedCommand, error: Error): boolean {
    const redirect = this.follow(command, error);
    if (redirect === undefined) return false;
    const { tracking } = command;
    // That node is there; and the command has had none of its attempts.
    tracking.probe?.succeed();
    tracking.probe = undefined;
    tracking.attempts--;
    tracking.waited = true;
    const node = this.#options.nodeAt(redirect.node);
    if (redirect.kind === "moved") node.submit(command);
    else node.submitBatch([makeAsking(tracking.timeoutMs), command]);
    return true;
  }

  /**
   * Decides whether a command follows a redirect, notes what the redirect tells of the
   * cluster, and counts it.
   *
   * @param command The command, answered by the error.
   * @param error The error.
   * @returns The redirect; `undefined` if it is none, or is not followed.
   */
  follow(command: TrackedCommand, error: Error): Redirect | undefined {
    const { statistics, clock } = this.#options;
    const redirect = this.learn(command, error);
    const { info, startedAt, timeoutMs } = command.tracking;
    // A command of a transaction means nothing by itself.
    if (redirect === undefined || command.inTransaction || info?.name === "exec") {
      return undefined;
    }
    const followed = this.#followed.get(command) ?? 0;
    const remainingMs = startedAt + timeoutMs - clock.now();
    const slot = commandSlot(command);
    if (!followsRedirect({ redirect, slot, followed, remainingMs })) return undefined;
    this.#followed.set(command, followed + 1);
    statistics.redirected();
    return redirect;
  }

  /**
   * Notes what an error reply tells of the cluster.
   *
   * @param command The command that was answered so.
   * @param error The error.
   * @returns The redirect, if it is one.
   */
  learn(command: TrackedCommand, error: Error): Redirect | undefined {
    const { connection } = command.tracking;
    if (connection === undefined || !isReplyError(error)) return undefined;
    const redirect = parseRedirect(error.message, hostOf(connection.endpoint));
    if (redirect?.kind === "moved") {
      this.#options.directory.moved(redirect.slot, redirect.node);
    }
    return redirect;
  }

  /**
   * Takes no command any more that would have to wait, and lets those that wait go.
   *
   * @param drainMs How long they may take, in milliseconds.
   * @returns How many were cut.
   */
  async close(drainMs: number): Promise<number> {
    const { clock, database } = this.#options;
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
    this.#failAll(left, new ManagerClosedError(database));
    return left.length;
  }

  /** Each part to its node; what goes to one node goes together. */
  #send(parts: readonly BatchPart<TrackedCommand>[]): void {
    const byNode = new Map<ServerConnections, TrackedCommand[]>();
    for (const { commands, slot } of parts) {
      const [first] = byNode.keys();
      const node = slot === undefined && first !== undefined ? first : this.nodeOf(slot);
      const group = byNode.get(node);
      if (group === undefined) byNode.set(node, [...commands]);
      else for (const command of commands) group.push(command);
    }
    for (const [node, group] of byNode) node.submitBatch(group);
  }

  /** A node that is connected, else one that may be asked, in turn. */
  #anyNode(): ServerConnections {
    const { directory, nodeAt } = this.#options;
    const { primaries } = directory.map;
    this.#turn = (this.#turn + 1) % primaries.length;
    const nodes = primaries.map((_, i) =>
      nodeAt(primaries[(this.#turn + i) % primaries.length]!)
    );
    return nodes.find(({ breaker, lanes }) => breaker.allows() && lanes.size > 0) ??
      nodes.find(({ breaker }) => breaker.allows()) ?? nodes[0]!;
  }

  #wait(commands: readonly TrackedCommand[]): void {
    const { database, directory, maxWaiting } = this.#options;
    const { size } = this.#waiting;
    if (this.#closed) {
      return this.#failAll(commands, new ManagerClosedError(database));
    }
    if (!this.#waiting.hasRoom(commands.length, maxWaiting)) {
      const what = "commands that wait for the cluster to be known";
      return this.#failAll(
        commands,
        new OverloadedError(
          database,
          what,
          size,
          maxWaiting,
          this.#options.unreachable?.(),
        ),
      );
    }
    this.#waiting.add(commands);
    directory.requestForWaiting();
  }

  #withdraw(command: TrackedCommand): void {
    const { clock, database, unreachable } = this.#options;
    this.#failAll(
      [command],
      waitTimeoutError(command, database, clock.now(), unreachable?.()),
    );
    this.commandFinished();
  }

  #refuse(commands: readonly TrackedCommand[], name: string, advice: string): void {
    const { database } = this.#options;
    const where = name.toLowerCase() === "multi"
      ? "one node of the cluster"
      : "the client";
    this.#failAll(commands, new CommandRefusedError(database, name, advice, where));
  }

  #failAll(commands: readonly TrackedCommand[], error: Error): void {
    for (const command of commands) {
      command.tracking.owner.failed(command, error, "never-sent");
    }
  }
}
