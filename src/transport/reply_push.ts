/** What a push frame means to the connection it comes on. */
export type PushRole =
  /** Something that nobody asked for now: a message, an invalidation. */
  | "event"
  /** The answer to a SUBSCRIBE or UNSUBSCRIBE: one for each channel. */
  | "confirmation"
  /** None that is known; in RESP2, where messages are arrays, an ordinary reply. */
  | "other";

/** What an element of a push frame is, as far as the frame's meaning needs it. */
export type ElementShape = "string" | "nil" | "integer" | "other";

interface PushForm {
  readonly name: Uint8Array;
  readonly role: PushRole;
  /** What the elements after the name must be; more may follow. */
  readonly rest: readonly (readonly ElementShape[])[];
}

const STRING = ["string"] as const;
const MESSAGE = [STRING, STRING];
const SUBSCRIBED = [STRING, ["integer"] as const];
/** The channel is nil where there was nothing to unsubscribe from. */
const UNSUBSCRIBED = [["string", "nil"] as const, ["integer"] as const];

function form(name: string, role: PushRole, rest: PushForm["rest"]): PushForm {
  return { name: new TextEncoder().encode(name), role, rest };
}

/**
 * The frames whose elements the client library reads without looking whether they are
 * there; each that is short of one, or has another type, would be an uncaught exception.
 */
const FORMS: readonly PushForm[] = [
  form("message", "event", MESSAGE),
  form("pmessage", "event", [STRING, STRING, STRING]),
  form("smessage", "event", MESSAGE),
  form("subscribe", "confirmation", SUBSCRIBED),
  form("psubscribe", "confirmation", SUBSCRIBED),
  form("ssubscribe", "confirmation", SUBSCRIBED),
  form("unsubscribe", "confirmation", UNSUBSCRIBED),
  form("punsubscribe", "confirmation", UNSUBSCRIBED),
  form("sunsubscribe", "confirmation", UNSUBSCRIBED),
];
const OTHER: PushForm = form("", "other", []);

/** Bytes of a name that are kept: one more than the longest in the table has. */
const NAME_BYTES = 13;

/**
 * Follows one push frame, element by element.
 *
 * @example Usage
 * ```ts
 * import { PushFrame } from "./reply_push.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const frame = new PushFrame();
 * frame.begin(3);
 * frame.addName(new TextEncoder().encode("message"), 0, 7);
 * assertEquals(frame.addElement("string"), undefined);
 * assertEquals(frame.role, "event");
 * assertEquals(frame.addElement("nil"), 'element 1 of a "message" frame is nil, not string');
 * ```
 */
export class PushFrame {
  /** The bytes of the name, as far as they were read. */
  readonly #name: number[] = [];
  #count = 0;
  #seen = 0;
  #form: PushForm = OTHER;

  /**
   * Begins a frame.
   *
   * @param count How many elements it declares.
   */
  begin(count: number): void {
    this.#count = count;
    this.#seen = 0;
    this.#name.length = 0;
    this.#form = OTHER;
  }

  /** Whether the next bytes belong to the frame's first element, its name. */
  get isNaming(): boolean {
    return this.#seen === 0;
  }

  /** What the frame means; known once its name was read. */
  get role(): PushRole {
    return this.#form.role;
  }

  /**
   * Takes bytes of the name, which may come in pieces.
   *
   * @param chunk Where they stand.
   * @param start Index of the first.
   * @param end Index behind the last.
   */
  addName(chunk: Uint8Array, start: number, end: number): void {
    for (let i = start; i < end && this.#name.length < NAME_BYTES; i++) {
      this.#name.push(chunk[i]!);
    }
  }

  /**
   * Takes an element.
   *
   * @param shape What it is.
   * @returns What is wrong with it, in words; `undefined` if nothing is.
   */
  addElement(shape: ElementShape): string | undefined {
    const index = this.#seen++;
    if (index === 0) return this.#begun(shape);
    const allowed = this.#form.rest[index - 1];
    if (allowed === undefined || allowed.includes(shape)) return undefined;
    return `element ${index} of a "${this.#text()}" frame is ${shape}, not ${
      allowed.join(" or ")
    }`;
  }

  #begun(shape: ElementShape): string | undefined {
    if (shape !== "string") return `a frame's first element is ${shape}, not a string`;
    this.#form = FORMS.find((form) => this.#isNamed(form.name)) ?? OTHER;
    const least = this.#form.rest.length + 1;
    if (this.#count >= least) return undefined;
    return `a "${this.#text()}" frame has ${this.#count} elements, not ${least}`;
  }

  #isNamed(name: Uint8Array): boolean {
    if (name.length !== this.#name.length) return false;
    for (let i = 0; i < name.length; i++) {
      if (name[i] !== this.#name[i]) return false;
    }
    return true;
  }

  #text(): string {
    return String.fromCharCode(...this.#name);
  }
}
