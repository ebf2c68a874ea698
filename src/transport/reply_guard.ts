import type { OpenReply } from "./reply_assembly.ts";
import { type ReplyLimits, resolveReplyLimits } from "./reply_limits.ts";
import { type LineContent, ReplyLine } from "./reply_line.ts";
import { ReplyNesting } from "./reply_nesting.ts";
import { type ElementShape, PushFrame } from "./reply_push.ts";
import { Byte, describeByte, Line, LINE_OF_TYPE, Type } from "./reply_types.ts";
import type { ReplyRefusal, ReplyViolation } from "./reply_violation.ts";
import { HEADER_ROOM, skipWholeFrame } from "./reply_whole.ts";

/** What a connection is used for, as far as it changes what the server may send. */
export type ReplyMode =
  /** Commands and replies; under RESP3 also pub/sub, which comes as push frames. */
  | "replies"
  /** Pub/sub under RESP2, where messages and confirmations are ordinary arrays. */
  | "resp2-subscriber"
  /** After `MONITOR`: status lines only. */
  | "monitor";

/** What a frame at the top is. */
type FrameKind =
  /** The answer to a command. */
  | "reply"
  /** A push frame of RESP3. */
  | "push"
  /** An array that may be a message: of RESP2, on a subscriber. */
  | "message";

/** Where in a frame the next byte stands. */
const Phase = {
  TYPE: 0,
  LINE: 1,
  LINE_FEED: 2,
  BODY: 3,
  BODY_CR: 4,
  BODY_LF: 5,
} as const;

/** First byte of an attribute frame of RESP3. */
const ATTRIBUTE = 0x7c;

/** What an element is to a push frame, where its type byte tells. */
const SHAPE_OF_TYPE: ReadonlyMap<number, ElementShape> = new Map([
  [Type.STATUS, "string"],
  [Type.INTEGER, "integer"],
  [Type.NULL, "nil"],
]);

const NESTED_PUSH: ReplyRefusal = {
  rule: "type",
  reason: "a push frame inside another frame",
};
/** Stands where no push frame has come; none is ever read into it. */
const NO_PUSH = new PushFrame();
const EMPTY_PUSH: ReplyRefusal = {
  rule: "push",
  reason: "a push frame without elements",
};

/** Bytes of a verbatim string before its text: a format of three letters and a colon.
 * The parser subtracts them without looking. */
const VERBATIM_PREFIX = 4;

/**
 * Reads every chunk that a server sends before the client library's parser does, and
 * refuses what would crash that parser, shift its replies, or exhaust the heap: row 28,
 * 42 and 43 of the fault matrix. It also counts complete replies, so that the caller can
 * tell when more come than are owed (row 41).
 *
 * The cost is that of reading header lines; the bytes of bulk strings are skipped. A
 * chunk may end anywhere. Nothing is allocated while the bytes are right.
 *
 * What a caller does with the counts: an ordinary command is answered by one reply, or
 * by one error, which is counted as both. Under RESP3 `SUBSCRIBE` and its kind are
 * answered by one confirmation for each channel, or by one error; a confirmation where
 * none is owed would settle another command, and so would any other reply where only
 * confirmations are owed. Compare after each scan, before the parser sees the chunk, and
 * compare {@linkcode ReplyGuard.begun}: the parser gives some replies away (a null, a
 * boolean) before their last byte has come. For the same reason the elements of push
 * frames are judged at the first byte that tells what they are.
 *
 * @example Usage
 * ```ts
 * import { ReplyGuard } from "./reply_guard.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const guard = new ReplyGuard();
 * const encoder = new TextEncoder();
 * assertEquals(guard.scan(encoder.encode("+OK\r\n$5\r\nhel")), 1);
 * assertEquals([guard.replies, guard.begun], [1, 2]);
 *
 * const found = guard.scan(encoder.encode("lo!!"));
 * assertEquals(typeof found === "number" ? "right" : found.rule, "line-end");
 * ```
 */
export class ReplyGuard {
  readonly #limits: ReplyLimits;
  /** Largest bulk string that needs no second look. */
  readonly #plainBulkBytes: number;
  #mode: ReplyMode = "replies";

  // The parse state is numbers in fields rather than a union of objects: it changes
  // with every byte of a header, and must not allocate.
  #phase: number = Phase.TYPE;
  #type = 0;
  readonly #line: ReplyLine;
  #content: LineContent = "right";
  #textBytes = 0;
  #bodyLeft = 0;

  readonly #nesting: ReplyNesting;
  #frame: FrameKind = "reply";
  /** Made for the first push frame: most connections never get one. */
  #push = NO_PUSH;
  #inPush = false;
  /** Whether the next byte tells if an element of a push frame is nil. */
  #isUndecided = false;

  /** Bytes of the connection before the current chunk. */
  #position = 0;
  /** Where the current top-level reply began. */
  #replyStart = 0;
  #violation: ReplyViolation | undefined;

  #replies = 0;
  #errors = 0;
  #pushes = 0;
  #confirmations = 0;

  /**
   * Makes the guard of one connection.
   *
   * @param limits What differs from {@linkcode DEFAULT_REPLY_LIMITS}.
   * @throws {RangeError} If a limit is no integer within its range.
   */
  constructor(limits?: Partial<ReplyLimits>) {
    this.#limits = resolveReplyLimits(limits);
    const { maxBulkBytes, maxReplyBytes, maxLineBytes } = this.#limits;
    this.#plainBulkBytes = Math.min(maxBulkBytes, maxReplyBytes, maxLineBytes) - 32;
    this.#line = new ReplyLine(maxLineBytes);
    this.#nesting = new ReplyNesting(this.#limits);
  }

  /** What the connection is used for. Default `replies`. */
  get mode(): ReplyMode {
    return this.#mode;
  }

  /** Changes what the connection is used for; takes effect with the next reply. */
  set mode(mode: ReplyMode) {
    this.#mode = mode;
  }

  /** Complete replies so far, errors among them, push frames not. */
  get replies(): number {
    return this.#replies;
  }

  /** {@linkcode replies} and the one whose first bytes have come, if there is one. */
  get begun(): number {
    return this.isPartial && this.#frame === "reply" ? this.#replies + 1 : this.#replies;
  }

  /** Replies so far that were errors; errors inside an array are not counted. */
  get errors(): number {
    return this.#errors;
  }

  /** Push frames so far that were no confirmation. */
  get pushes(): number {
    return this.#pushes;
  }

  /** Push frames so far that confirm a SUBSCRIBE or UNSUBSCRIBE, one a channel. */
  get confirmations(): number {
    return this.#confirmations;
  }

  /** Whether the last chunk ended inside a reply. */
  get isPartial(): boolean {
    return this.#phase !== Phase.TYPE || this.#nesting.depth > 0;
  }

  /** The reply whose body the last chunk has a part of; `undefined` where there is none,
   * or where it is no plain bulk string. */
  get openBulk(): OpenReply | undefined {
    const isBulk = this.#phase === Phase.BODY && this.#type === Type.BULK &&
      this.#nesting.depth === 0 && this.#frame === "reply";
    if (!isBulk) return undefined;
    const seen = this.#position - this.#replyStart;
    return { seen, missing: this.#bodyLeft + "\r\n".length };
  }

  /**
   * Looks at the next bytes of the connection.
   *
   * @param chunk The bytes, as they came.
   * @returns How many replies became complete, push frames not counted; or the violation,
   * after which nothing of the chunk may reach the parser, the counts mean nothing, and
   * every later scan gives the same violation.
   */
  scan(chunk: Uint8Array): number | ReplyViolation {
    if (this.#violation !== undefined) return this.#violation;
    const before = this.#replies;
    const end = chunk.length;
    let i = 0;
    while (i < end) {
      if (this.#phase === Phase.TYPE) i = this.#scanWhole(chunk, i);
      if (i < end) i = this.#scanPart(chunk, i);
      if (this.#violation !== undefined) return this.#violation;
    }
    if (this.isPartial && !this.#fitsReply(end)) return this.#violation!;
    this.#position += end;
    return this.#replies - before;
  }

  /**
   * Reads the plain frames that lie whole in the chunk, the hot path, and stops at the
   * first that does not or is of another kind.
   */
  #scanWhole(chunk: Uint8Array, from: number): number {
    if (this.#inPush || this.#mode !== "replies") return from;
    const end = chunk.length - HEADER_ROOM;
    let i = from;
    while (i < end) {
      const next = skipWholeFrame(chunk, i, this.#plainBulkBytes);
      if (next === 0) return i;
      i = next;
      if (this.#nesting.depth === 0) this.#replies++;
      else if (this.#nesting.settle() && !this.#endReply(i)) return i;
    }
    return i;
  }

  /** Reads on in a frame of any kind, at least one byte; gives the next index. */
  #scanPart(chunk: Uint8Array, i: number): number {
    switch (this.#phase) {
      case Phase.TYPE:
        this.#beginFrame(chunk[i]!, i);
        return i + 1;
      case Phase.LINE:
        return LINE_OF_TYPE[this.#type] === Line.TEXT
          ? this.#readText(chunk, i)
          : this.#readLine(chunk, i);
      case Phase.BODY:
        return this.#readBody(chunk, i);
      case Phase.LINE_FEED:
        if (this.#expect(chunk[i]!, Byte.LF, i)) this.#endLine(i);
        return i + 1;
      case Phase.BODY_CR:
        if (this.#expect(chunk[i]!, Byte.CR, i)) this.#phase = Phase.BODY_LF;
        return i + 1;
      default:
        if (this.#expect(chunk[i]!, Byte.LF, i)) this.#endElement(i);
        return i + 1;
    }
  }

  #beginFrame(type: number, i: number): void {
    const line = LINE_OF_TYPE[type];
    if (line === Line.NONE) {
      const hint = type === ATTRIBUTE
        ? ", an attribute, which the parser does not know"
        : "";
      const reason = `unknown type byte ${describeByte(type)}${hint}`;
      return this.#refuse({ rule: "type", reason }, i);
    }
    if (this.#nesting.depth === 0) this.#beginReply(type, i);
    else if (type === Type.PUSH) this.#refuse(NESTED_PUSH, i);
    if (type === Type.ERROR || type === Type.BLOB_ERROR) {
      this.#refuse(this.#nesting.judgeError(), i);
    }
    this.#type = type;
    this.#phase = Phase.LINE;
    if (line === Line.TEXT) this.#textBytes = 0;
    else this.#line.begin(type);
    if (this.#inPush && this.#nesting.depth === 1) this.#beginPushElement(type, i);
  }

  #beginReply(type: number, i: number): void {
    this.#replyStart = this.#position + i;
    this.#nesting.begin();
    if (type === Type.PUSH) this.#frame = "push";
    else if (this.#mode === "resp2-subscriber" && type === Type.ARRAY) {
      this.#frame = "message";
    } else this.#frame = "reply";
    if (!isAllowed(this.#mode, type)) {
      const reason = `${describeByte(type)} on a connection in ${this.#mode} mode`;
      this.#refuse({ rule: "type", reason }, i);
    }
  }

  /** Judges an element of a push frame as far as its type byte tells what it is. */
  #beginPushElement(type: number, i: number): void {
    this.#isUndecided = type === Type.BULK ||
      (type === Type.ARRAY && !this.#push.isNaming);
    if (this.#isUndecided) return;
    // The name itself is judged when all of it is there.
    if (this.#push.isNaming && type === Type.STATUS) return;
    this.#addToPush(SHAPE_OF_TYPE.get(type) ?? "other", i);
  }

  /** Judges an element of a push frame by the first byte of its length or count. */
  #decidePushElement(byte: number, i: number): void {
    this.#isUndecided = false;
    if (byte === Byte.MINUS) this.#addToPush("nil", i);
    else if (this.#type === Type.ARRAY) this.#addToPush("other", i);
    else if (!this.#push.isNaming) this.#addToPush("string", i);
  }

  /** Reads a line of any text up to its CR. */
  #readText(chunk: Uint8Array, i: number): number {
    const cr = chunk.indexOf(Byte.CR, i);
    const end = cr === -1 ? chunk.length : cr;
    if (this.#isNaming()) this.#push.addName(chunk, i, end);
    this.#textBytes += end - i;
    if (this.#textBytes > this.#limits.maxLineBytes) {
      const reason = `a line of more than ${this.#limits.maxLineBytes} bytes`;
      this.#refuse({ rule: "line-length", reason }, i);
    } else if (cr !== -1) {
      this.#phase = Phase.LINE_FEED;
      if (this.#isNaming()) this.#addToPush("string", cr);
      return cr + 1;
    }
    return end;
  }

  /** Reads a number, a length, a count or a short line up to its CR. */
  #readLine(chunk: Uint8Array, from: number): number {
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === Byte.CR) {
        this.#phase = Phase.LINE_FEED;
        this.#judgeLine(i);
        return i + 1;
      }
      if (this.#isUndecided) this.#decidePushElement(byte, i);
      if (!this.#line.add(byte)) {
        const frame = `the line of a ${describeByte(this.#type)} frame`;
        this.#refuse({ rule: "line", reason: `${describeByte(byte)} in ${frame}` }, i);
        return i;
      }
    }
    return chunk.length;
  }

  /** Judges a line at its CR: the parser acts on it then, not at its LF. */
  #judgeLine(i: number): void {
    const line = LINE_OF_TYPE[this.#type];
    this.#content = this.#line.finish();
    if (this.#content === "malformed") {
      const frame = `a ${describeByte(this.#type)} frame`;
      return this.#refuse({ rule: "line", reason: `a malformed line of ${frame}` }, i);
    }
    if (this.#content === "nil") return;
    if (line === Line.COUNT) this.#judgeCount(this.#line.value, i);
    else if (line === Line.BULK_LENGTH) this.#judgeLength(this.#line.value, i);
  }

  #judgeCount(count: number, i: number): void {
    const elements = this.#type === Type.MAP ? count * 2 : count;
    this.#refuse(this.#nesting.judge(elements), i);
    const isPush = this.#nesting.depth === 0 && this.#frame !== "reply";
    if (isPush && count === 0) this.#refuse(EMPTY_PUSH, i);
  }

  #judgeLength(length: number, i: number): void {
    const { maxBulkBytes, maxLineBytes } = this.#limits;
    const isText = this.#type === Type.BLOB_ERROR || this.#nesting.isAtMapKey;
    if (length > maxBulkBytes) {
      const reason = `a bulk string of ${length} bytes, the limit is ${maxBulkBytes}`;
      this.#refuse({ rule: "bulk", reason }, i);
    } else if (isText && length > maxLineBytes) {
      const reason = `an error or key of ${length} bytes, the limit is ${maxLineBytes}`;
      this.#refuse({ rule: "line-length", reason }, i);
    } else if (this.#type === Type.VERBATIM && length < VERBATIM_PREFIX) {
      this.#refuse({ rule: "line", reason: `a verbatim string of ${length} bytes` }, i);
    } else this.#fitsReply(i + 2 + length);
  }

  /** Goes on behind a line that was right; `i` is the index of its LF. */
  #endLine(i: number): void {
    const line = LINE_OF_TYPE[this.#type];
    const hasContent = line === Line.COUNT || line === Line.BULK_LENGTH;
    if (!hasContent || this.#content === "nil") return this.#endElement(i);
    if (line === Line.COUNT) return this.#open(this.#line.value, i);
    this.#bodyLeft = this.#line.value;
    this.#phase = Phase.BODY;
    if (this.#bodyLeft === 0) this.#endBody(i);
  }

  #readBody(chunk: Uint8Array, i: number): number {
    const end = Math.min(chunk.length, i + this.#bodyLeft);
    if (this.#isNaming()) this.#push.addName(chunk, i, end);
    this.#bodyLeft -= end - i;
    if (this.#bodyLeft === 0) this.#endBody(end - 1);
    return end;
  }

  #endBody(i: number): void {
    this.#phase = Phase.BODY_CR;
    if (this.#isNaming()) this.#addToPush("string", i);
  }

  /** Begins an aggregate; `i` is the index of its line's LF. */
  #open(count: number, i: number): void {
    if (this.#nesting.depth === 0) {
      this.#inPush = this.#frame !== "reply";
      if (this.#inPush) this.#beginPush(count);
    }
    const isMap = this.#type === Type.MAP;
    this.#nesting.open(isMap ? count * 2 : count, isMap);
    this.#phase = Phase.TYPE;
    if (count === 0 && this.#nesting.closeFull()) this.#endReply(i + 1);
  }

  #beginPush(count: number): void {
    if (this.#push === NO_PUSH) this.#push = new PushFrame();
    this.#push.begin(count);
  }

  /** Ends a frame without elements; `i` is the index of its last byte. */
  #endElement(i: number): void {
    this.#phase = Phase.TYPE;
    if (this.#nesting.depth > 0) {
      if (this.#nesting.settle()) this.#endReply(i + 1);
      return;
    }
    if (this.#type === Type.ERROR || this.#type === Type.BLOB_ERROR) this.#errors++;
    this.#endReply(i + 1);
  }

  /** Counts a complete reply or push frame; `next` is the index behind it. */
  #endReply(next: number): boolean {
    const role = this.#inPush ? this.#push.role : "reply";
    this.#inPush = false;
    if (role === "confirmation") this.#confirmations++;
    else if (role === "event" || this.#frame === "push") this.#pushes++;
    else this.#replies++;
    return this.#fitsReply(next);
  }

  /** Whether the next bytes are a push frame's name. */
  #isNaming(): boolean {
    return this.#inPush && this.#nesting.depth === 1 && this.#push.isNaming;
  }

  #addToPush(shape: ElementShape, i: number): void {
    const reason = this.#push.addElement(shape);
    if (reason !== undefined) this.#refuse({ rule: "push", reason }, i);
  }

  #expect(byte: number, expected: number, i: number): boolean {
    if (byte === expected) return true;
    const what = `${describeByte(byte)} where ${describeByte(expected)} was due`;
    const reason = `${what} in a ${describeByte(this.#type)} frame`;
    this.#refuse({ rule: "line-end", reason }, i);
    return false;
  }

  /** Whether the current reply is small enough if it reaches up to index `next`. */
  #fitsReply(next: number): boolean {
    const { maxReplyBytes } = this.#limits;
    const bytes = this.#position + next - this.#replyStart;
    if (bytes <= maxReplyBytes) return true;
    const reason = `a reply of ${bytes} bytes or more, the limit is ${maxReplyBytes}`;
    this.#refuse({ rule: "reply-bytes", reason }, next);
    return false;
  }

  #refuse(refusal: ReplyRefusal | undefined, i: number): void {
    if (refusal === undefined) return;
    const offset = this.#position + i;
    const { rule, reason } = refusal;
    this.#violation ??= Object.freeze({
      rule,
      reason: `${reason}, at byte ${offset}`,
      offset,
    });
  }
}

/** Whether a frame of this type may stand at the top. */
function isAllowed(mode: ReplyMode, type: number): boolean {
  if (mode === "monitor") {
    return LINE_OF_TYPE[type] === Line.TEXT || type === Type.PUSH;
  }
  // To the client library these are arrays too, but RESP2 does not have them.
  return mode === "replies" || (type !== Type.SET && type !== Type.MAP);
}
