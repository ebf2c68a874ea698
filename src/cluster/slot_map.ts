import { formatAddress } from "../core/address.ts";
import type { MapAddress } from "../config/address_map.ts";
import type { NodeAddress } from "../config/settings.ts";
import { SLOTS } from "./slots.ts";

/** A range of slots and the primary that serves it. */
export interface SlotRange {
  readonly first: number;
  /** Its last slot, included. */
  readonly last: number;
  readonly node: NodeAddress;
  /** The replicas of that primary. */
  readonly replicas?: readonly NodeAddress[];
}

/** The index that stands for no node. */
const UNASSIGNED = 0xffff;

/** Which primary serves each slot: an immutable snapshot. */
export class SlotMap {
  /** The map of a cluster that nothing is known of. */
  static readonly empty: SlotMap = new SlotMap(
    [],
    new Uint16Array(SLOTS).fill(UNASSIGNED),
  );

  /** The primaries that serve a slot, each once, in the order in which they were named. */
  readonly primaries: readonly NodeAddress[];
  readonly #owners: Uint16Array;
  readonly #replicas: ReadonlyMap<NodeAddress, readonly NodeAddress[]>;

  private constructor(
    primaries: readonly NodeAddress[],
    owners: Uint16Array,
    replicas: ReadonlyMap<NodeAddress, readonly NodeAddress[]> = new Map(),
  ) {
    this.primaries = Object.freeze(primaries);
    this.#owners = owners;
    this.#replicas = replicas;
  }

  /** Makes a map; of ranges that overlap the last one counts. */
  static of(ranges: readonly SlotRange[]): SlotMap {
    const owners = new Uint16Array(SLOTS).fill(UNASSIGNED);
    const nodes = new Map<string, { index: number; node: NodeAddress }>();
    const replicas = new Map<NodeAddress, readonly NodeAddress[]>();
    for (const { first, last, node, replicas: its = [] } of ranges) {
      const key = formatAddress(node);
      const known = nodes.get(key) ?? { index: nodes.size, node };
      nodes.set(key, known);
      replicas.set(known.node, its);
      owners.fill(known.index, first, last + 1);
    }
    return new SlotMap([...nodes.values()].map(({ node }) => node), owners, replicas);
  }

  /** How many slots are served, 0 to 16384. */
  get covered(): number {
    let count = 0;
    for (const owner of this.#owners) if (owner !== UNASSIGNED) count++;
    return count;
  }

  /** The primary of a slot; `undefined` if none is known. */
  ownerOf(slot: number): NodeAddress | undefined {
    return this.primaries[this.#owners[slot]!];
  }

  /** Whether another primary, or none, has served a slot before. */
  isMoved(slot: number, before: SlotMap): boolean {
    const [owner, last] = [this.ownerOf(slot), before.ownerOf(slot)];
    if (owner === last) return false;
    return owner?.host !== last?.host || owner?.port !== last?.port;
  }

  /** The first slot of a primary, which stands for it when another one takes over;
   * `undefined` if it has none. */
  firstSlotOf(primary: NodeAddress): number | undefined {
    const slot = this.#owners.indexOf(this.primaries.indexOf(primary));
    return slot === -1 ? undefined : slot;
  }

  /** The replicas of a primary of this map. */
  replicasOf(primary: NodeAddress): readonly NodeAddress[] {
    return this.#replicas.get(primary) ?? [];
  }

  /** The map after a MOVED of one slot; this one if nothing changes. */
  withOwner(slot: number, node: NodeAddress): SlotMap {
    const key = formatAddress(node);
    const owner = this.ownerOf(slot);
    if (owner !== undefined && formatAddress(owner) === key) return this;
    const known = this.primaries.findIndex((other) => formatAddress(other) === key);
    const owners = this.#owners.slice();
    owners[slot] = known === -1 ? this.primaries.length : known;
    const primaries = known === -1 ? [...this.primaries, node] : this.primaries;
    return new SlotMap(primaries, owners, this.#replicas);
  }
}

/** Where a node sends a command that it did not run. */
export interface Redirect {
  /** `moved`: for good. `ask`: this once, after ASKING. */
  readonly kind: "moved" | "ask";
  readonly slot: number;
  readonly node: NodeAddress;
}

/** `MOVED 3999 127.0.0.1:6381`; the host may be empty, or an IPv6 address without
 * brackets. */
const REDIRECT = /^(MOVED|ASK) (\d{1,5}) (.*):(\d{1,5})$/;

/**
 * Reads the redirect out of an error reply; `undefined` if it is another error.
 *
 * @param askedHost The host that replied: meant if the redirect names none.
 * @param map Where the named node is.
 */
export function parseRedirect(
  message: string,
  askedHost: string,
  map: MapAddress = (announced) => announced,
): Redirect | undefined {
  const [, kind, slotText, host, portText] = REDIRECT.exec(message) ?? [];
  const [slot, port] = [Number(slotText), Number(portText)];
  if (kind === undefined || slot >= SLOTS || port < 1 || port > 65_535) return undefined;
  return {
    kind: kind === "MOVED" ? "moved" : "ask",
    slot,
    node: map({ host: host === "" || host === "?" ? askedHost : host!, port }),
  };
}
