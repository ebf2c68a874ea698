import { Buffer } from "node:buffer";
import { type ScanCommand, type ScanRestart, serverOf } from "../commands/scan.ts";
import { addressMapper, type MapAddress } from "../config/address_map.ts";
import type { NodeAddress } from "../config/settings.ts";
import type { CommandConnection, PendingCommand } from "../connection/pending_command.ts";
import { formatAddress, parseAddress } from "../core/address.ts";
import { textOf } from "../resilience/extra_commands.ts";
import type { ServerContext } from "../server/topology.ts";
import type { SlotMapCache } from "./slot_map_cache.ts";
import { keySlot, SLOTS } from "./slots.ts";

/** Sends a command to a node on behalf of a SCAN. */
type AskNode = (node: NodeAddress, name: string, ...args: unknown[]) => Promise<{
  readonly reply: unknown;
  readonly connection: CommandConnection | undefined;
}>;

/** What a node says of itself (CLUSTER NODES). */
interface NodeView {
  readonly epoch: string;
  /** Slots that it serves. */
  readonly owned: SlotSet;
  /** Slots that are on their way from another node to it. */
  readonly importing: SlotSet;
  /** Where slots of it are on their way to. */
  readonly migrating: ReadonlyMap<number, string>;
}

interface ClusterScanParts {
  readonly context: Pick<ServerContext, "clock" | "config" | "emit">;
  readonly cache: SlotMapCache;
}

/** A slot map of this age, in milliseconds, says what there is. */
const MAP_AGE_MS = 1000;

/**
 * Runs SCAN over a cluster: over one primary after the other. How far it has come is in the
 * cursor, so that any process may go on with it.
 *
 * A slot counts as scanned if one node had all its keys from the beginning of its scan to
 * the end. Slots that move meanwhile are scanned again where they are then, which gives no
 * key of another slot again. A slot that is moved key by key is scanned where it comes from,
 * then where it goes to: no key goes back.
 *
 * What a node has is asked of the node itself, before its scan and after. A slot that left
 * and came back in between has raised the node's config epoch: then its scan does not count,
 * and from there on each page is followed by such a look.
 */
export class ClusterScan {
  readonly #parts: ClusterScanParts;
  readonly #map: MapAddress;

  constructor(parts: ClusterScanParts) {
    this.#parts = parts;
    this.#map = addressMapper(parts.context.config.nodeAddressMap);
  }

  /** Gives the reply to one SCAN: a cursor and keys. */
  async page(
    command: Pick<PendingCommand, "args">,
    ask: AskNode,
  ): Promise<[cursor: Buffer, keys: unknown[]]> {
    const [cursor, ...options] = command.args as unknown[];
    const state = decodeCursor(textOf(cursor));
    if (state.at === undefined && await this.#isOver(state)) {
      return [Buffer.from("0"), []];
    }
    const restarted = (reason: string) => {
      const { name } = state.at!;
      const restart: ScanRestart = { endpoint: name, reason };
      const { config, emit } = this.#parts.context;
      emit("scanrestart", { database: config.name, ...restart });
      (command as ScanCommand).onRestart?.(restart);
      state.at = undefined;
    };
    const isGone = state.at !== undefined && this.#isGone(state, state.at.name);
    if (isGone) restarted("another node serves its slots now");
    else if (state.at === undefined) await this.#begin(state, ask);
    const keys = state.at === undefined || isGone
      ? []
      : await this.#scan(state, options, ask, restarted);
    const isOver = state.at === undefined && await this.#isOver(state);
    return [Buffer.from(isOver ? "0" : encodeCursor(state)), keys];
  }

  /** Whether all slots have been scanned that a node serves. */
  async #isOver(state: ScanState): Promise<boolean> {
    if (this.#nextSlot(state) !== undefined) return false;
    const { cache, context: { clock } } = this.#parts;
    // Those that are left are served by no node, as far as is known.
    const isAll = [...state.done].length === SLOTS;
    if (!isAll) await cache.loadedSince(clock.now() - MAP_AGE_MS);
    return isAll || this.#nextSlot(state) === undefined;
  }

  #nextSlot({ done, moving }: ScanState): number | undefined {
    const { map } = this.#parts.cache;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (done.has(slot)) continue;
      if (moving.has(slot) || map.ownerOf(slot) !== undefined) return slot;
    }
    return undefined;
  }

  /** Whether a node is no primary any more, and no slot is on its way to it. */
  #isGone({ moving }: ScanState, name: string): boolean {
    const { primaries } = this.#parts.cache.map;
    return !primaries.some((each) => formatAddress(each) === name) &&
      ![...moving.values()].includes(name);
  }

  /** Chooses a node that has a slot that was not scanned; none if it has it no more. */
  async #begin(state: ScanState, ask: AskNode): Promise<void> {
    const { cache, context: { clock } } = this.#parts;
    const { done, moving, stuck } = state;
    const slot = this.#nextSlot(state)!;
    const since = clock.now();
    const owner = cache.map.ownerOf(slot);
    const target = moving.get(slot);
    const node = target === undefined ? owner! : parseAddress(target) as NodeAddress;
    const { server, view } = await this.#look(node, ask);
    const name = formatAddress(node);
    const hasKeys = (each: number) =>
      view.owned.has(each) || (view.importing.has(each) && moving.get(each) === name);
    if (hasKeys(slot)) {
      const slots = new SlotSet();
      for (let each = 0; each < SLOTS; each++) {
        if (!done.has(each) && hasKeys(each)) slots.add(each);
      }
      const leaving = new SlotSet([...view.migrating.keys()].map(String));
      if (view.migrating.size > 0) state.isWatched = true;
      state.at = { name, server, cursor: "0", epoch: view.epoch, slots, leaving };
    } else if (target !== undefined) {
      moving.delete(slot);
      // It has gone on to a third node, or back; or its new node was never told to take it.
      const { view: source } = await this.#look(owner!, ask);
      const { view: again } = await this.#look(node, ask);
      const isStuck = source.migrating.get(slot) === name &&
        !again.owned.has(slot) && !again.importing.has(slot);
      if (isStuck) stuck.add(slot);
    } else await cache.loadedSince(since);
  }

  /** Scans one page of a node. */
  async #scan(
    state: ScanState,
    options: readonly unknown[],
    ask: AskNode,
    restarted: (reason: string) => void,
  ): Promise<unknown[]> {
    const at = state.at!;
    const node = parseAddress(at.name) as NodeAddress;
    const scanned = ask(node, "scan", at.cursor, ...options);
    const looked = state.isWatched ? this.#look(node, ask) : undefined;
    looked?.catch(() => {});
    const { connection, reply } = await scanned;
    const [next, keys] = reply as [unknown, Uint8Array[]];
    const isOver = textOf(next) === "0";
    const isOther = await serverOf(connection!) !== at.server;
    // The last one must be later than the keys, whichever lane each takes.
    const look = isOther ? undefined : await (isOver ? this.#look(node, ask) : looked);
    if (isOther || (look !== undefined && look.server !== at.server)) {
      restarted("the server was restarted, or another one has taken over");
      return [];
    }
    const found = keys.filter((key) => at.slots.has(keySlot(key)));
    at.cursor = textOf(next);
    if (look === undefined) return found;
    const { view } = look;
    if (view.epoch !== at.epoch && !state.isWatched) {
      // Which slots have left and come back is not known.
      state.isWatched = true;
      state.at = undefined;
      return found;
    }
    at.epoch = view.epoch;
    for (const slot of at.slots) {
      const isHere = view.owned.has(slot) ||
        (view.importing.has(slot) && state.moving.get(slot) === at.name);
      if (!isHere) at.slots.delete(slot);
    }
    for (const slot of view.migrating.keys()) at.leaving.add(slot);
    if (isOver) this.#finish(state, view);
    return found;
  }

  /** A node was scanned to its end. */
  #finish(state: ScanState, { migrating }: NodeView): void {
    const { done, moving, stuck } = state;
    const { leaving, name, slots } = state.at!;
    for (const [slot, target] of moving) {
      // It has left for a third node.
      if (target === name && !slots.has(slot)) moving.delete(slot);
    }
    for (const slot of slots) {
      const target = migrating.get(slot);
      const isLeaving = leaving.has(slot);
      if (target === undefined || stuck.has(slot)) moving.delete(slot);
      // A move that was called off may have taken keys away and back: scanned again.
      if (!isLeaving || (target !== undefined && stuck.has(slot))) done.add(slot);
      else if (target !== undefined) moving.set(slot, target);
    }
    if (migrating.size > 0) state.isWatched = true;
    state.at = undefined;
  }

  async #look(
    node: NodeAddress,
    ask: AskNode,
  ): Promise<{ server: string; view: NodeView }> {
    const { connection, reply } = await ask(node, "cluster", "nodes");
    return {
      server: await serverOf(connection!),
      view: readView(textOf(reply), node, this.#map),
    };
  }
}

/**
 * Reads what a node says of itself in CLUSTER NODES: `<id> <ip:port@bus,host> <flags>
 * <primary> <ping> <pong> <epoch> <link> <slot> …`, where the slots are ranges, and
 * `[93->-id]` or `[77-<-id]` are on their way.
 *
 * @param asked Where the node was reached: it may not know its own host.
 * @param map Where a named node is.
 */
export function readView(
  text: string,
  asked: NodeAddress,
  map: MapAddress = (announced) => announced,
): NodeView {
  const lines = text.split("\n").map((line) => line.split(" "));
  const own = lines.find(([, , flags]) => flags?.split(",").includes("myself")) ?? [];
  const isPrimary = own[2]?.includes("master") === true;
  const slots = isPrimary ? own.slice(8) : [];
  const addressOf = (id: string) => {
    const [address = ""] = lines.find(([each]) => each === id)?.[1]?.split("@") ?? [];
    const at = address.lastIndexOf(":");
    const host = address.slice(0, at) || asked.host;
    return formatAddress(map({ host, port: Number(address.slice(at + 1)) }));
  };
  const moves = slots.map((each) => /^\[(\d+)-([<>])-(\w+)\]$/.exec(each));
  const importing = new SlotSet();
  const migrating = new Map<number, string>();
  for (const move of moves) {
    const [, slot, way, id] = move ?? [];
    if (way === "<") importing.add(Number(slot));
    else if (way === ">") migrating.set(Number(slot), addressOf(id!));
  }
  return {
    epoch: own[6] ?? "",
    owned: new SlotSet(slots.filter((each) => /^\d/.test(each))),
    importing,
    migrating,
  };
}

/** A set of slots. */
export class SlotSet {
  readonly #bits = new Uint8Array(SLOTS);

  /** Reads what {@linkcode SlotSet.toString} writes, or a node's ranges in CLUSTER NODES. */
  constructor(ranges: Iterable<string> = []) {
    for (const range of ranges) {
      const [first, last = first] = range.split("-").map(Number);
      this.#bits.fill(1, first, Number(last) + 1);
    }
  }

  has(slot: number): boolean {
    return this.#bits[slot] === 1;
  }

  add(slot: number): void {
    this.#bits[slot] = 1;
  }

  delete(slot: number): void {
    this.#bits[slot] = 0;
  }

  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (let slot = 0; slot < SLOTS; slot++) if (this.#bits[slot] === 1) yield slot;
  }

  /** Such as `0-5460 7000`. */
  toString(): string {
    const ranges: string[] = [];
    for (let first = 0; first < SLOTS; first++) {
      if (this.#bits[first] === 0) continue;
      let last = first;
      while (this.#bits[last + 1] === 1) last++;
      ranges.push(first === last ? `${first}` : `${first}-${last}`);
      first = last;
    }
    return ranges.join(" ");
  }
}

/** The node that a scan is at. */
interface ScannedNode {
  /** Such as `10.0.0.7:7000`. */
  readonly name: string;
  /** Its process, by its `run_id`. */
  readonly server: string;
  /** Its own cursor. */
  cursor: string;
  /** Its config epoch, which a slot that it takes over raises. */
  epoch: string;
  /** The slots whose keys it has had since its scan began: they count if it has them at the
   * end, too. */
  readonly slots: SlotSet;
  /** Those of them that were on their way to another node meanwhile. */
  readonly leaving: SlotSet;
}

/** How far a scan of a cluster has come: all of it is in the cursor. */
export interface ScanState {
  /** Slots whose keys have all been given. */
  readonly done: SlotSet;
  /** Slots that were scanned where they are on their way from, by where they go to: keys are
   * here or there, and are given once that node was scanned after the other one. */
  readonly moving: Map<number, string>;
  /** Slots whose new node took none of their keys when it was to be scanned. */
  readonly stuck: SlotSet;
  /** Whether slots move while the scan goes on: then each page looks at what its node has. */
  isWatched: boolean;
  at: ScannedNode | undefined;
}

type Encoded = [
  done: string,
  moving: [slot: number, name: string][],
  stuck: string,
  isWatched: number,
  at?: [
    name: string,
    server: string,
    cursor: string,
    epoch: string,
    slots: string,
    leaving: string,
  ],
];

/** Writes a state as a cursor. */
export function encodeCursor({ at, done, isWatched, moving, stuck }: ScanState): string {
  const encoded: Encoded = [`${done}`, [...moving], `${stuck}`, Number(isWatched)];
  if (at !== undefined) {
    const { cursor, epoch, leaving, name, server, slots } = at;
    encoded.push([name, server, cursor, epoch, `${slots}`, `${leaving}`]);
  }
  return btoa(JSON.stringify(encoded));
}

/**
 * Reads a cursor; `0` begins.
 *
 * @throws {RangeError} If it is none that {@linkcode encodeCursor} has written.
 */
export function decodeCursor(text: string): ScanState {
  const slots = (ranges: string) => new SlotSet(ranges.split(" ").filter(Boolean));
  try {
    const encoded: Encoded = text === "0" ? ["", [], "", 0] : JSON.parse(atob(text));
    const [done, moving, stuck, isWatched, at] = encoded;
    const state: ScanState = {
      done: slots(done),
      moving: new Map(moving),
      stuck: slots(stuck),
      isWatched: isWatched === 1,
      at: undefined,
    };
    if (at !== undefined) {
      const [name, server, cursor, epoch, own, leaving] = at;
      const sets = { slots: slots(own), leaving: slots(leaving) };
      state.at = { name, server, cursor, epoch, ...sets };
    }
    return state;
  } catch {
    throw new RangeError(
      `Cannot scan the cluster as the cursor must be 0 or one that SCAN gave: ` +
        `current value is ${JSON.stringify(text.slice(0, 100))}`,
    );
  }
}
