import type { MapAddress } from "../config/address_map.ts";
import type { NodeAddress } from "../config/settings.ts";
import { formatAddress } from "../core/address.ts";

/** Slots of a Redis cluster. */
export const SLOTS = 16_384;

/** The remainders of CRC-16/XMODEM, by byte; made for the first key of a cluster. */
let remainders: Uint16Array | undefined;

function makeRemainders(): Uint16Array {
  return new Uint16Array(256).map((_, byte) => {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    return crc;
  });
}

const OPEN = 0x7b;
const CLOSE = 0x7d;
const encoder = new TextEncoder();

/**
 * The cluster slot of a key: of its hash tag, between the first `{` and the next `}`, if
 * there is anything between them; else of the whole key.
 *
 * ioredis' own function goes on looking for a tag behind an empty one (`foo{}{bar}`), which
 * the server does not.
 *
 * @param key The key as it is sent, its prefix included.
 */
export function keySlot(key: string | Uint8Array): number {
  const bytes = typeof key === "string" ? encoder.encode(key) : key;
  const open = bytes.indexOf(OPEN);
  const close = open === -1 ? -1 : bytes.indexOf(CLOSE, open + 1);
  const hasTag = close > open + 1;
  const end = hasTag ? close : bytes.length;
  const table = remainders ??= makeRemainders();
  let crc = 0;
  for (let i = hasTag ? open + 1 : 0; i < end; i++) {
    crc = (crc << 8 & 0xffff) ^ table[(crc >> 8) ^ bytes[i]!]!;
  }
  return crc & (SLOTS - 1);
}

/** A text for each slot, which as a hash tag puts a key there; made when first needed. */
let tags: string[] | undefined;

/** The shortest hash tag, without braces, whose keys are in a slot. */
export function slotTag(slot: number): string {
  if (tags === undefined) {
    tags = [];
    for (let i = 0, left = SLOTS; left > 0; i++) {
      const tag = i.toString(36);
      const at = keySlot(tag);
      if (tags[at] === undefined) left--;
      tags[at] ??= tag;
    }
  }
  return tags[slot]!;
}

/** The slot of a key as the caller writes it, without the prefix. */
export function prefixedSlot(prefix: string, key: string | Uint8Array): number {
  if (typeof key === "string") return keySlot(prefix + key);
  const before = encoder.encode(prefix);
  const bytes = new Uint8Array(before.length + key.length);
  bytes.set(before);
  bytes.set(key, before.length);
  return keySlot(bytes);
}

/**
 * Describes the first key, and the first one in another slot, for an error message;
 * `undefined` if all keys are in one slot.
 */
export function describeCrossSlot(
  keys: Iterable<string | Uint8Array>,
): string | undefined {
  let first: { key: string | Uint8Array; slot: number } | undefined;
  for (const key of keys) {
    const slot = keySlot(key);
    first ??= { key, slot };
    if (slot === first.slot) continue;
    const [a, b] = [keyText(first.key), keyText(key)];
    return `its keys have to be in one slot, but ${a} is in slot ${first.slot} ` +
      `and ${b} in slot ${slot}; a common {tag} in them puts them together`;
  }
  return undefined;
}

/** Longest part of a key in a message, in characters. */
const MAX_KEY_TEXT = 100;

const decoder = new TextDecoder();

function keyText(key: string | Uint8Array): string {
  const text = typeof key === "string" ? key : decoder.decode(key);
  return JSON.stringify(
    text.length <= MAX_KEY_TEXT ? text : `${text.slice(0, MAX_KEY_TEXT)}…`,
  );
}

/** What routes a command. */
interface KeyedCommand {
  /** Its name, in any case. */
  readonly name: string;
  /** Its keys as they are sent, the prefix included; none if they are not known. */
  getKeys(): readonly (string | Uint8Array)[];
}

/** The slot of a command's first key; `undefined` if it has no known key. */
export function commandSlot(command: KeyedCommand): number | undefined {
  const [key] = command.getKeys();
  return key === undefined ? undefined : keySlot(key);
}

/** The slot of all keys of a command; `undefined` if they are in several, or none is known. */
export function onlySlot(command: KeyedCommand): number | undefined {
  const [first, ...others] = command.getKeys();
  if (first === undefined) return undefined;
  const slot = keySlot(first);
  return others.every((key) => keySlot(key) === slot) ? slot : undefined;
}

/** Commands of a batch that have to be sent to one node. */
export interface BatchPart<C extends KeyedCommand> {
  readonly commands: readonly C[];
  /** Their slot; `undefined` if no key is known. */
  readonly slot: number | undefined;
  /** Why it cannot run: it is a transaction with keys in several slots. */
  readonly crossSlot?: string | undefined;
}

/** Splits a batch: each command by itself, but a transaction from MULTI to EXEC or DISCARD
 * as a whole. */
export function partsOf<C extends KeyedCommand>(batch: readonly C[]): BatchPart<C>[] {
  const parts: BatchPart<C>[] = [];
  let transaction: C[] | undefined;
  for (const command of batch) {
    const name = command.name.toLowerCase();
    if (name === "multi") transaction = [];
    if (transaction === undefined) {
      parts.push({ commands: [command], slot: commandSlot(command) });
      continue;
    }
    transaction.push(command);
    if (name !== "exec" && name !== "discard") continue;
    parts.push(transactionPart(transaction));
    transaction = undefined;
  }
  if (transaction !== undefined) parts.push(transactionPart(transaction));
  return parts;
}

function transactionPart<C extends KeyedCommand>(commands: readonly C[]): BatchPart<C> {
  const keys = commands.flatMap((command) => command.getKeys());
  const [key] = keys;
  const slot = key === undefined ? undefined : keySlot(key);
  return { commands, slot, crossSlot: describeCrossSlot(keys) };
}

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
