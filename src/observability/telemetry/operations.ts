import type { Attributes, SpanKind, SpanOptions } from "./api.ts";
import { ATTRIBUTE } from "./conventions.ts";
import type { BatchKind } from "./observer.ts";

/** Kind of every span here; the same in every version of the API. */
export const CLIENT: SpanKind = 2;

/** Names that are told apart. A program has few; where names are made up at run time, as
 * of commands that do not exist, they must not fill the memory here and elsewhere. */
const MOST_NAMES = 500;
const OTHER = "_OTHER";

/** What is the same each time that an operation is reported: made once, never changed. */
export interface Operation {
  /** Its name, such as `GET` or `PIPELINE SET`. */
  readonly name: string;
  /** Kind and attributes of its spans. */
  readonly span: SpanOptions & { readonly attributes: Attributes };
  /** Attributes of its durations. */
  readonly metric: Attributes;
}

/** The operations of one database. */
export class Operations {
  readonly #base: Attributes;
  readonly #byName = new Map<string, Operation>();

  /**
   * Knows none yet.
   *
   * @param base Attributes that all of them have.
   */
  constructor(base: Attributes) {
    this.#base = base;
  }

  /**
   * An operation by its name.
   *
   * @param name Name of a command, in any case, or of a batch.
   * @returns The operation; the same object each time.
   */
  named(name: string): Operation {
    return this.#byName.get(name) ?? this.#add(name);
  }

  /**
   * The operation that a batch is: that of its command, if it has but one; else it is
   * named after what its commands have in common.
   *
   * @param names Names of its commands.
   * @param kind How they are sent.
   * @returns The operation.
   */
  ofBatch(names: readonly string[], kind: BatchKind): Operation {
    const [first] = names;
    if (names.length === 1) return this.named(first!);
    const isUniform = first !== undefined && names.every((name) => name === first);
    return this.named(isUniform ? `${kind} ${first}` : kind);
  }

  #add(text: string): Operation {
    const isFull = this.#byName.size >= MOST_NAMES;
    const name = isFull ? OTHER : text.toUpperCase();
    const known = isFull ? this.#byName.get(OTHER) : undefined;
    if (known !== undefined) return known;
    const attributes = Object.freeze({ ...this.#base, [ATTRIBUTE.operation]: name });
    const operation: Operation = {
      name,
      span: { kind: CLIENT, attributes },
      metric: attributes,
    };
    this.#byName.set(isFull ? OTHER : text, operation);
    return operation;
  }
}
