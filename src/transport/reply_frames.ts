import { concat } from "./coalescer.ts";
import { ERROR_WEIGHT, type ReplyLimits } from "./reply_types.ts";

/** What a push frame is to its connection. */
type PushRole =
  /** Unsolicited: a message, an invalidation. */
  | "event"
  /** The answer to a SUBSCRIBE or UNSUBSCRIBE: one for each channel. */
  | "confirmation"
  /** Unknown; in RESP2, where messages are arrays, an ordinary reply. */
  | "other";

/** Type of an element of a push frame, as far as the checks need it. */
export type ElementShape = "string" | "nil" | "integer" | "other";

interface PushForm {
  readonly role: PushRole;
  /** Allowed types of the elements after the name; more elements may follow. */
  readonly rest: readonly (readonly ElementShape[])[];
}

const STRING = ["string"] as const;
const MESSAGE: PushForm = { role: "event", rest: [STRING, STRING] };
const INVALIDATION: PushForm = { role: "event", rest: [] };
const SUBSCRIBED: PushForm = { role: "confirmation", rest: [STRING, ["integer"]] };
/** The channel is nil where there was nothing to unsubscribe from. */
const UNSUBSCRIBED: PushForm = {
  role: "confirmation",
  rest: [["string", "nil"], ["integer"]],
};

/**
 * The frames whose elements ioredis reads without a check that they exist. A
 * missing element, or one of another type, would be an uncaught exception.
 */
const FORMS: ReadonlyMap<string, PushForm> = new Map([
  ["message", MESSAGE],
  ["pmessage", { role: "event", rest: [STRING, STRING, STRING] }],
  ["smessage", MESSAGE],
  ["invalidate", INVALIDATION],
  ["subscribe", SUBSCRIBED],
  ["psubscribe", SUBSCRIBED],
  ["ssubscribe", SUBSCRIBED],
  ["unsubscribe", UNSUBSCRIBED],
  ["punsubscribe", UNSUBSCRIBED],
  ["sunsubscribe", UNSUBSCRIBED],
]);
const OTHER: PushForm = { role: "other", rest: [] };

/** Bytes of a name that are kept: one more than the longest in the table has. */
const NAME_BYTES = 13;

/**
 * Receives the keys of `invalidate` frames, as soon as each was read; `undefined` for all
 * keys. ioredis drops these frames.
 */
export type OnInvalidation = (key: string | undefined) => void;

/** A byte order mark is a part of a key. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Checks one push frame, element by element. */
export class PushFrame {
  /** The bytes of the name that were read so far. */
  readonly #name: number[] = [];
  #count = 0;
  #seen = 0;
  #form = OTHER;
  /** The bytes of a key of which not all were received. */
  readonly #keyParts: Uint8Array[] = [];

  /** Begins a frame that declares `count` elements. */
  begin(count: number): void {
    this.#count = count;
    this.#seen = 0;
    this.#name.length = 0;
    this.#form = OTHER;
    this.#keyParts.length = 0;
  }

  /** Whether it names keys whose values have changed; valid once its name was read. */
  get isInvalidation(): boolean {
    return this.#form === INVALIDATION;
  }

  /**
   * Adds the bytes of a key from `start` to `end`.
   *
   * @returns The key, once all of it was read.
   */
  addKey(
    chunk: Uint8Array,
    start: number,
    end: number,
    isWhole: boolean,
  ): string | undefined {
    const part = chunk.subarray(start, end);
    if (!isWhole) {
      // A chunk is lent.
      this.#keyParts.push(part.slice());
      return undefined;
    }
    if (this.#keyParts.length === 0) return decoder.decode(part);
    return decoder.decode(concat([...this.#keyParts.splice(0), part]));
  }

  /** Whether the next bytes belong to the frame's first element, its name. */
  get isNaming(): boolean {
    return this.#seen === 0;
  }

  /** Role of the frame; valid once its name was read. */
  get role(): PushRole {
    return this.#form.role;
  }

  /** Adds the bytes of the name from `start` to `end`; the name may come in pieces. */
  addName(chunk: Uint8Array, start: number, end: number): void {
    for (let i = start; i < end && this.#name.length < NAME_BYTES; i++) {
      this.#name.push(chunk[i]!);
    }
  }

  /** Adds an element. Returns what is wrong with it; `undefined` if it is valid. */
  addElement(shape: ElementShape): string | undefined {
    const index = this.#seen++;
    if (index === 0) return this.#checkName(shape);
    const allowed = this.#form.rest[index - 1];
    if (allowed === undefined || allowed.includes(shape)) return undefined;
    const types = allowed.join(" or ");
    return `element ${index} of a "${this.#text()}" frame is ${shape}, not ${types}`;
  }

  #checkName(shape: ElementShape): string | undefined {
    if (shape !== "string") return `a frame's first element is ${shape}, not a string`;
    this.#form = FORMS.get(this.#text()) ?? OTHER;
    const least = this.#form.rest.length + 1;
    if (this.#count >= least) return undefined;
    return `a "${this.#text()}" frame has ${this.#count} elements, not ${least}`;
  }

  #text(): string {
    return String.fromCharCode(...this.#name);
  }
}

/** Tracks the open aggregates of one reply, and how many elements each still lacks. */
export class ReplyNesting {
  readonly #limits: ReplyLimits;
  /** How many aggregates are open. */
  depth = 0;
  /** Elements that the open aggregate of each depth still lacks; depth 0 is unused. The
   * literals have room for the depth of nearly all replies: a list that grows reserves room
   * for sixteen more. */
  readonly #left = [0, 0, 0, 0];
  readonly #isMap = [false, false, false, false];
  #elements = 0;

  constructor(limits: ReplyLimits) {
    this.#limits = limits;
  }

  /** Whether the next element is a map's key. */
  get isAtMapKey(): boolean {
    return this.#isMap[this.depth]! && (this.#left[this.depth]! & 1) === 0;
  }

  /** Begins a reply. */
  begin(): void {
    this.#elements = 0;
  }

  /**
   * Checks an aggregate by its declared count, before it is opened.
   *
   * @param elements Number of elements; a map's keys and values both count.
   * @returns Why it is refused; `undefined` if it is not.
   */
  check(elements: number): string | undefined {
    const { maxDepth, maxAggregateElements } = this.#limits;
    // As a property name such a key would be turned into text, which can throw.
    if (this.isAtMapKey) return "a map's key is an aggregate";
    if (elements > maxAggregateElements) {
      return `an aggregate of ${elements} elements, the limit is ${maxAggregateElements}`;
    }
    if (this.depth === maxDepth) return `aggregates nested deeper than ${maxDepth}`;
    return this.#count(elements);
  }

  /** Checks an error: inside an aggregate it counts as {@linkcode ERROR_WEIGHT} elements. */
  checkError(): string | undefined {
    return this.depth === 0 ? undefined : this.#count(ERROR_WEIGHT - 1);
  }

  /** Opens an aggregate; in a map every other element is a key. */
  open(elements: number, isMap: boolean): void {
    this.depth++;
    this.#left[this.depth] = elements;
    this.#isMap[this.depth] = isMap;
  }

  /** Completes an element, and the aggregates that it completes. Returns whether the whole
   * reply is complete. */
  completeElement(): boolean {
    if (--this.#left[this.depth]! > 0) return false;
    return this.closeFull();
  }

  /** Closes the aggregates that lack nothing. Returns whether the reply is complete. */
  closeFull(): boolean {
    while (this.#left[this.depth] === 0) {
      if (--this.depth === 0) return true;
      this.#left[this.depth]!--;
    }
    return false;
  }

  #count(elements: number): string | undefined {
    const { maxReplyElements } = this.#limits;
    this.#elements += elements;
    if (this.#elements <= maxReplyElements) return undefined;
    return `a reply of ${this.#elements} elements, the limit is ${maxReplyElements}`;
  }
}
