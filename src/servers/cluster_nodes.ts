import type { TrackedCommand } from "../connection/tracked.ts";
import { formatAddress, type TcpAddress } from "../core/address.ts";
import type { ConnectionCounts } from "../observability/metrics.ts";
import {
  ServerConnections,
  type ServerContext,
  type ServerNumbers,
} from "./server_connections.ts";
import { pastOf, sumConnections, sumNumbers } from "./server_sums.ts";

/** What the nodes of a cluster need. */
export interface ClusterNodesParts {
  /** What they have in common. */
  readonly context: ServerContext;
  /** A connection to one was lost, or could not be opened. */
  readonly troubled: () => void;
}

/**
 * The nodes of a cluster that there are connections for. They come when they are first
 * asked for, and go when they serve nothing any more: what is in flight on them is
 * answered first. Their numbers stay in the sum.
 */
export class ClusterNodes {
  readonly #parts: ClusterNodesParts;
  readonly #nodes = new Map<string, ServerConnections>();
  /** The same by the map's own objects, for commands. */
  #byAddress = new Map<TcpAddress, ServerConnections>();
  /** Nodes that serve no slots any more, and are being drained. */
  readonly #leaving = new Map<ServerConnections, Promise<number>>();
  #past = sumNumbers([]);
  #openedBefore = 0;
  #isClosed = false;

  /**
   * Begins without any.
   *
   * @param parts What they need.
   */
  constructor(parts: ClusterNodesParts) {
    this.#parts = parts;
  }

  /** Whether they take no more commands. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Those that may be asked. */
  get current(): ServerConnections[] {
    return [...this.#nodes.values()];
  }

  /** The names of those, such as `10.0.0.7:7000`. */
  get names(): string[] {
    return [...this.#nodes.keys()];
  }

  /** Every one that has connections. */
  get all(): ServerConnections[] {
    return [...this.#nodes.values(), ...this.#leaving.keys()];
  }

  /**
   * The node at an address; it comes if it is not there.
   *
   * @param address The address.
   * @returns The node.
   */
  at(address: TcpAddress): ServerConnections {
    return this.#byAddress.get(address) ?? this.#nodeFor(address);
  }

  /**
   * The node of a name.
   *
   * @param name Name such as `10.0.0.7:7000`.
   * @returns The node; `undefined` if there is none.
   */
  named(name: string): ServerConnections | undefined {
    return this.#nodes.get(name);
  }

  /**
   * Lets all go but these. While some slots are served by no node, no node goes: Redis 8
   * names no slots of a primary that has failed, and `MOVED` leads to it all the same. Made
   * anew at each look at the cluster, it would be tried as if it had never failed.
   *
   * @param serving The addresses of those that serve; they come if they are not there.
   * @param isComplete Whether they serve every slot.
   * @returns The commands that waited for the others.
   */
  keepOnly(
    serving: readonly TcpAddress[],
    isComplete: boolean,
  ): TrackedCommand[] {
    const names = new Set(serving.map(formatAddress));
    this.#byAddress = new Map(
      serving.map((address) => [address, this.#nodeFor(address)]),
    );
    const others = [...this.#nodes].filter(([name]) => !names.has(name));
    return others.flatMap(([name, node]) => {
      if (!isComplete) return node.lanes.takeWaiting();
      this.#nodes.delete(name);
      return this.#retire(node);
    });
  }

  /** Connections opened so far, and open now. */
  connections(): ConnectionCounts {
    const { opened, open } = sumConnections(this.all.map((node) => node.connections()));
    return { opened: opened + this.#openedBefore, open };
  }

  /** What the connections are at, and have done. */
  numbers(): ServerNumbers {
    return sumNumbers([this.#past, ...this.all.map((node) => node.numbers())]);
  }

  /**
   * Takes no more commands, lets those there are finish, and closes every connection.
   *
   * @param drainMs How long they may take, in milliseconds.
   * @returns How many commands were cut.
   */
  async close(drainMs: number): Promise<number> {
    this.#isClosed = true;
    const cut = await Promise.all([
      ...this.current.map((node) => node.close(drainMs)),
      ...[...this.#leaving].map(([node, over]) => this.#endLeaving(node, over, drainMs)),
    ]);
    return cut.reduce((all, count) => all + count, 0);
  }

  /** A node that is being drained already has no more time than the others. */
  async #endLeaving(
    node: ServerConnections,
    over: Promise<number>,
    withinMs: number,
  ): Promise<number> {
    const { clock } = this.#parts.context;
    const timer = clock.setTimer(() => node.cut(), withinMs);
    const cut = await over;
    timer.cancel();
    return cut;
  }

  #nodeFor(address: TcpAddress): ServerConnections {
    const name = formatAddress(address);
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const endpoint = address;
    const { context, troubled } = this.#parts;
    const node = new ServerConnections(context, {
      locate: () => ({
        where: name,
        current: () => name,
        resolve: () => Promise.resolve(endpoint),
        close: () => {},
      }),
      isNode: true,
      troubled,
    });
    this.#nodes.set(name, node);
    // What is redirected there finds it closed, like all others.
    if (this.#isClosed) void node.close(0);
    return node;
  }

  /** Drains and closes a node; gives the commands that waited for it. */
  #retire(node: ServerConnections): TrackedCommand[] {
    const waiting = node.lanes.takeWaiting();
    node.health.stop();
    const over = node.close(this.#parts.context.config.commandTimeoutMs);
    this.#leaving.set(node, over);
    void over.then(() => {
      this.#leaving.delete(node);
      this.#past = sumNumbers([this.#past, pastOf(node.numbers())]);
      this.#openedBefore += node.connections().opened;
    });
    return waiting;
  }
}
