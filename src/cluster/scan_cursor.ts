import { SLOTS } from "./slots.ts";

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
