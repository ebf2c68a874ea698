import { formatAddress, type TcpAddress } from "../core/address.ts";
import { SLOTS } from "./key_slot.ts";

/** A run of slots and the node that serves it. */
export interface SlotRange {
  /** Its first slot. */
  readonly first: number;
  /** Its last slot. */
  readonly last: number;
  /** The primary that serves it. */
  readonly node: TcpAddress;
}

/** What stands for "nobody" among the indexes of nodes. */
const NOBODY = 0xffff;

/**
 * Who serves which slot, as one node told it: a snapshot that never changes. A change of
 * one slot gives another map.
 *
 * @example Usage
 * ```ts
 * import { SlotMap } from "./slot_map.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = [{ host: "a", port: 7000 }, { host: "b", port: 7000 }];
 * const map = SlotMap.of([{ first: 0, last: 16383, node: a }]).withOwner(5, b);
 * assertEquals([map.ownerOf(4), map.ownerOf(5)], [a, b]);
 * ```
 */
export class SlotMap {
  /** The map of a cluster that nothing is known of. */
  static readonly empty: SlotMap = new SlotMap([], new Uint16Array(SLOTS).fill(NOBODY));

  /** The nodes that serve a slot, each once, in the order in which they were named. */
  readonly primaries: readonly TcpAddress[];
  readonly #owners: Uint16Array;

  private constructor(primaries: readonly TcpAddress[], owners: Uint16Array) {
    this.primaries = Object.freeze(primaries);
    this.#owners = owners;
  }

  /**
   * Makes a map; of slots that are named twice the last word counts.
   *
   * @param ranges Who serves what.
   * @returns The map.
   */
  static of(ranges: readonly SlotRange[]): SlotMap {
    const owners = new Uint16Array(SLOTS).fill(NOBODY);
    const nodes = new Map<string, { index: number; node: TcpAddress }>();
    for (const { first, last, node } of ranges) {
      const key = formatAddress(node);
      const known = nodes.get(key) ?? { index: nodes.size, node };
      nodes.set(key, known);
      owners.fill(known.index, first, last + 1);
    }
    return new SlotMap([...nodes.values()].map(({ node }) => node), owners);
  }

  /** How many slots somebody serves, 0 to 16384. */
  get covered(): number {
    let count = 0;
    for (const owner of this.#owners) if (owner !== NOBODY) count++;
    return count;
  }

  /**
   * Who serves a slot.
   *
   * @param slot The slot, 0 to 16383.
   * @returns The primary; `undefined` if nobody is known to.
   */
  ownerOf(slot: number): TcpAddress | undefined {
    return this.primaries[this.#owners[slot]!];
  }

  /**
   * The same map, but for one slot: what a MOVED tells.
   *
   * @param slot The slot, 0 to 16383.
   * @param node Who serves it.
   * @returns Another map; this one if it says so already.
   */
  withOwner(slot: number, node: TcpAddress): SlotMap {
    const owner = this.ownerOf(slot);
    if (owner !== undefined && formatAddress(owner) === formatAddress(node)) return this;
    const key = formatAddress(node);
    const known = this.primaries.findIndex((other) => formatAddress(other) === key);
    const owners = this.#owners.slice();
    owners[slot] = known === -1 ? this.primaries.length : known;
    return new SlotMap(known === -1 ? [...this.primaries, node] : this.primaries, owners);
  }
}

/**
 * The host of an address in words.
 *
 * @param text Text such as `10.0.0.7:7000` or `[::1]:7000`.
 * @returns The host, without brackets.
 *
 * @example Usage
 * ```ts
 * import { hostOf } from "./slot_map.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["a:7000", "[::1]:7000"].map(hostOf), ["a", "::1"]);
 * ```
 */
export function hostOf(text: string): string {
  const host = text.slice(0, text.lastIndexOf(":"));
  return host.startsWith("[") ? host.slice(1, -1) : host;
}
