import { ERROR_WEIGHT, type ReplyLimits } from "./reply_limits.ts";
import type { ReplyRefusal } from "./reply_violation.ts";

/**
 * Follows the aggregates of one reply: how deep it is, and what each still lacks.
 *
 * @example Usage
 * ```ts
 * import { DEFAULT_REPLY_LIMITS } from "./reply_limits.ts";
 * import { ReplyNesting } from "./reply_nesting.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const nesting = new ReplyNesting(DEFAULT_REPLY_LIMITS);
 * nesting.begin();
 * assertEquals(nesting.judge(2), undefined);
 * nesting.open(2, false);
 * assertEquals([nesting.settle(), nesting.settle()], [false, true]);
 * ```
 */
export class ReplyNesting {
  readonly #limits: ReplyLimits;
  #depth = 0;
  /** Elements that the open aggregate of each depth still lacks; depth 0 is unused. With
   * room for what nearly all replies nest: lists that grow take room for sixteen more. */
  readonly #left = [0, 0, 0, 0];
  readonly #isMap = [false, false, false, false];
  #elements = 0;

  /**
   * Makes one.
   *
   * @param limits How deep and how large a reply may be.
   */
  constructor(limits: ReplyLimits) {
    this.#limits = limits;
  }

  /** How many aggregates are open. */
  get depth(): number {
    return this.#depth;
  }

  /** Whether the next element is a map's key. */
  get isAtMapKey(): boolean {
    return this.#isMap[this.#depth]! && (this.#left[this.#depth]! & 1) === 0;
  }

  /** Begins a reply. */
  begin(): void {
    this.#elements = 0;
  }

  /**
   * Judges an aggregate by its declared count; nothing is opened yet.
   *
   * @param elements How many elements it declares; a map's keys and values both.
   * @returns Why it is refused, `undefined` if it is not.
   */
  judge(elements: number): ReplyRefusal | undefined {
    const { maxDepth, maxAggregateElements } = this.#limits;
    // As a property name such a key would be turned into text, which can throw.
    if (this.isAtMapKey) {
      return { rule: "map-key", reason: "a map's key is an aggregate" };
    }
    if (elements > maxAggregateElements) {
      const reason =
        `an aggregate of ${elements} elements, the limit is ${maxAggregateElements}`;
      return { rule: "elements", reason };
    }
    if (this.#depth === maxDepth) {
      return { rule: "depth", reason: `aggregates nested deeper than ${maxDepth}` };
    }
    return this.#count(elements);
  }

  /**
   * Judges an error: inside an aggregate it counts as {@linkcode ERROR_WEIGHT} elements.
   *
   * @returns Why it is refused, `undefined` if it is not.
   */
  judgeError(): ReplyRefusal | undefined {
    return this.#depth === 0 ? undefined : this.#count(ERROR_WEIGHT - 1);
  }

  /**
   * Opens an aggregate that was not refused.
   *
   * @param elements How many elements it declares.
   * @param isMap Whether every other element is a key.
   */
  open(elements: number, isMap: boolean): void {
    this.#depth++;
    this.#left[this.#depth] = elements;
    this.#isMap[this.#depth] = isMap;
  }

  /**
   * Takes an element that is complete, and ends the aggregates that it completes.
   *
   * @returns Whether the whole reply is complete.
   */
  settle(): boolean {
    if (--this.#left[this.#depth]! > 0) return false;
    return this.closeFull();
  }

  /**
   * Ends the aggregates that lack nothing.
   *
   * @returns Whether the whole reply is complete.
   */
  closeFull(): boolean {
    while (this.#left[this.#depth] === 0) {
      if (--this.#depth === 0) return true;
      this.#left[this.#depth]!--;
    }
    return false;
  }

  #count(elements: number): ReplyRefusal | undefined {
    const { maxReplyElements } = this.#limits;
    this.#elements += elements;
    if (this.#elements <= maxReplyElements) return undefined;
    const reason =
      `a reply of ${this.#elements} elements, the limit is ${maxReplyElements}`;
    return { rule: "elements", reason };
  }
}
