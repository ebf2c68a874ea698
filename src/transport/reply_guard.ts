import {
  type ElementShape,
  type OnInvalidation,
  PushFrame,
  ReplyNesting,
} from "./reply_frames.ts";
import {
  HEADER_ROOM,
  type LineContent,
  ReplyLine,
  skipCompleteFrame,
} from "./reply_line.ts";
import {
  Byte,
  DEFAULT_REPLY_LIMITS,
  describeByte,
  Line,
  LINE_OF_TYPE,
  type OpenReply,
  type ReplyLimits,
  Type,
} from "./reply_types.ts";

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

const NO_BYTES = new Uint8Array();

/** Placeholder of connections that have received no push frame. */
const NO_PUSH = new PushFrame();

/** Bytes of a verbatim string before its text: a format of three letters and a colon.
 * The parser subtracts them without looking. */
const VERBATIM_PREFIX = 4;

/** Commands that are answered by one confirmation for each channel, not by a reply. */
const SUBSCRIBING = /^[ps]?(?:un)?subscribe$/;

/** The server sent an invalid reply, or one that no command waits for. */
export class InvalidReplyError extends Error {}

/**
 * Checks every chunk that a server sends before the parser of ioredis reads it.
 * Refuses what would crash that parser, shift its replies, or exhaust the heap, and a reply
 * that no command waits for: it would settle another command.
 *
 * The cost is that of reading header lines; the bytes of bulk strings are skipped. A
 * chunk may end anywhere. Nothing is allocated while the bytes are valid.
 *
 * An ordinary command is answered by one reply, or by one error, which is counted as both.
 * Under RESP3 `SUBSCRIBE` and its kind are answered by one confirmation for each channel, or
 * by one error. The limit is on {@linkcode ReplyGuard.begun}, not on complete replies: the
 * parser delivers some (a null, a boolean) before their last byte was received. For the same
 * reason elements of push frames are checked at the first byte that tells their type.
 *
 * Limits of the check: a surplus reply that precedes the right one, while as many are
 * expected, settles the wrong command; it is noticed when one too many has come. On a
 * connection that subscribed, an error may take the place of a confirmation, so that as
 * many surplus replies can hide as there were SUBSCRIBEs; such connections have one user.
 */
export class ReplyGuard {
  readonly #limits: ReplyLimits;
  /** Largest bulk string that needs no second look. */
  readonly #plainBulkBytes: number;
  /** Use of the connection; a change takes effect with the next reply. */
  mode: ReplyMode = "replies";

  // The parse state is numbers in fields rather than a union of objects: it changes
  // with every byte of a header, and must not allocate.
  #phase: number = Phase.TYPE;
  #type = 0;
  readonly #line: ReplyLine;
  #content: LineContent = "valid";
  #textBytes = 0;
  #bodyLeft = 0;

  readonly #nesting: ReplyNesting;
  #frame: FrameKind = "reply";
  /** Made for the first push frame: most connections never get one. */
  #push = NO_PUSH;
  #inPush = false;
  /** Whether the next byte shows if an element of a push frame is nil. */
  #isUndecided = false;

  /** Bytes of the connection before the current chunk. */
  #position = 0;
  /** Where the current top-level reply began. */
  #replyStart = 0;
  #violation: string | undefined;

  /** Receives the keys of `invalidate` frames; unset where nobody wants them. */
  onInvalidation: OnInvalidation | undefined = undefined;

  /** Complete replies so far: errors included, push frames not. */
  replies = 0;
  /** Replies so far that were errors; errors inside an array are not counted. */
  errors = 0;
  /** Push frames so far that were no confirmation. */
  pushes = 0;
  /** Push frames so far that confirm a SUBSCRIBE or UNSUBSCRIBE, one per channel. */
  confirmations = 0;
  /** How many replies may have begun at most; infinite during the handshake. */
  #expected = Infinity;
  #expectedConfirmations = 0;

  constructor(limits: ReplyLimits = DEFAULT_REPLY_LIMITS) {
    this.#limits = limits;
    const { maxBulkBytes, maxReplyBytes, maxLineBytes } = limits;
    this.#plainBulkBytes = Math.min(maxBulkBytes, maxReplyBytes, maxLineBytes) - 32;
    this.#line = new ReplyLine(maxLineBytes);
    this.#nesting = new ReplyNesting(limits);
  }

  /** {@linkcode replies}, and the one whose first bytes have been received. */
  get begun(): number {
    return this.isPartial && this.#frame === "reply" ? this.replies + 1 : this.replies;
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

  /** The handshake is over: no reply is outstanding. From now on surplus replies are refused. */
  startCounting(): void {
    this.#expected = this.begun;
  }

  /** One more reply is expected. Called for each command: hot path. */
  expectReply(): void {
    this.#expected++;
  }

  /**
   * Notes a command of a connection that one caller has alone: it may change what the
   * server sends.
   *
   * @param protocol Protocol version of the connection, 2 or 3.
   */
  noteCommand(name: string, args: readonly unknown[], protocol: number): void {
    const lower = name.toLowerCase();
    if (lower === "monitor") {
      this.#expected = Infinity;
      this.mode = "monitor";
    } else if (SUBSCRIBING.test(lower)) {
      if (protocol !== 3) this.mode = "resp2-subscriber";
      // Without arguments UNSUBSCRIBE confirms every subscribed channel.
      this.#expectedConfirmations += args.length === 0 ? Infinity : args.length;
      // A node that its slot is moved away from ends the subscription to a shard channel.
      if (lower === "ssubscribe") this.#expectedConfirmations += args.length;
    }
  }

  /**
   * Checks a chunk before it reaches the parser.
   *
   * @throws {InvalidReplyError} If it is no valid reply, or more than is expected.
   */
  inspect(chunk: Uint8Array): void {
    const found = this.scan(chunk);
    if (typeof found === "string") throw new InvalidReplyError(found);
    if (this.begun > this.#expected) {
      throw new InvalidReplyError("a reply came that no command is owed");
    }
    if (this.confirmations > this.#expectedConfirmations) {
      throw new InvalidReplyError("a confirmation came that no SUBSCRIBE is owed");
    }
  }

  /**
   * Scans the next bytes of the connection.
   *
   * @returns How many replies became complete, push frames not counted; or what was wrong
   * and at which byte of the connection, never the bytes of a value. Then nothing of the chunk
   * may reach the parser, the counters are meaningless, and every later scan returns the same.
   */
  scan(chunk: Uint8Array): number | string {
    if (this.#violation !== undefined) return this.#violation;
    const before = this.replies;
    const end = chunk.length;
    let i = 0;
    while (i < end) {
      if (this.#phase === Phase.TYPE) i = this.#scanComplete(chunk, i);
      if (i < end) i = this.#scanPart(chunk, i);
      if (this.#violation !== undefined) return this.#violation;
    }
    if (this.isPartial && !this.#fitsReply(end)) return this.#violation!;
    this.#position += end;
    return this.replies - before;
  }

  /**
   * Reads the plain frames that lie whole in the chunk, the hot path, and stops at the
   * first that does not or is of another kind.
   */
  #scanComplete(chunk: Uint8Array, from: number): number {
    if (this.#inPush || this.mode !== "replies") return from;
    const end = chunk.length - HEADER_ROOM;
    let i = from;
    while (i < end) {
      const next = skipCompleteFrame(chunk, i, this.#plainBulkBytes);
      if (next === 0) return i;
      i = next;
      if (this.#nesting.depth === 0) this.replies++;
      else if (this.#nesting.completeElement() && !this.#endReply(i)) return i;
    }
    return i;
  }

  /** Reads on in a frame of any kind, at least one byte; returns the next index. */
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
      return this.#refuse(`unknown type byte ${describeByte(type)}${hint}`, i);
    }
    if (this.#nesting.depth === 0) this.#beginReply(type, i);
    else if (type === Type.PUSH) {
      this.#refuse("a push frame inside another frame", i);
    }
    if (type === Type.ERROR || type === Type.BLOB_ERROR) {
      this.#refuse(this.#nesting.checkError(), i);
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
    else if (this.mode === "resp2-subscriber" && type === Type.ARRAY) {
      this.#frame = "message";
    } else this.#frame = "reply";
    if (!isAllowed(this.mode, type)) {
      const found = describeByte(type);
      this.#refuse(`${found} on a connection in ${this.mode} mode`, i);
    }
  }

  /** Checks an element of a push frame as far as its type byte tells what it is. */
  #beginPushElement(type: number, i: number): void {
    this.#isUndecided = type === Type.BULK ||
      (type === Type.ARRAY && !this.#push.isNaming);
    if (this.#isUndecided) return;
    // The name itself is checked when all of it is there.
    if (this.#push.isNaming && type === Type.STATUS) return;
    this.#addToPush(SHAPE_OF_TYPE.get(type) ?? "other", i);
  }

  /** Checks an element of a push frame by the first byte of its length or count. */
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
      const limit = this.#limits.maxLineBytes;
      this.#refuse(`a line of more than ${limit} bytes`, i);
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
        this.#checkLine(i);
        return i + 1;
      }
      if (this.#isUndecided) this.#decidePushElement(byte, i);
      if (!this.#line.add(byte)) {
        const frame = `the line of a ${describeByte(this.#type)} frame`;
        this.#refuse(`${describeByte(byte)} in ${frame}`, i);
        return i;
      }
    }
    return chunk.length;
  }

  /** Checks a line at its CR: the parser acts on it then, not at its LF. */
  #checkLine(i: number): void {
    const line = LINE_OF_TYPE[this.#type];
    this.#content = this.#line.finish();
    if (this.#content === "malformed") {
      const frame = `a ${describeByte(this.#type)} frame`;
      return this.#refuse(`a malformed line of ${frame}`, i);
    }
    if (this.#content === "nil") return;
    if (line === Line.COUNT) this.#checkCount(this.#line.value, i);
    else if (line === Line.BULK_LENGTH) this.#checkLength(this.#line.value, i);
  }

  #checkCount(count: number, i: number): void {
    const elements = this.#type === Type.MAP ? count * 2 : count;
    this.#refuse(this.#nesting.check(elements), i);
    const isPush = this.#nesting.depth === 0 && this.#frame !== "reply";
    if (isPush && count === 0) this.#refuse("a push frame without elements", i);
  }

  #checkLength(length: number, i: number): void {
    const { maxBulkBytes, maxLineBytes } = this.#limits;
    const isText = this.#type === Type.BLOB_ERROR || this.#nesting.isAtMapKey;
    if (length > maxBulkBytes) {
      this.#overLimit(`a bulk string of ${length} bytes`, maxBulkBytes, i);
    } else if (isText && length > maxLineBytes) {
      this.#overLimit(`an error or key of ${length} bytes`, maxLineBytes, i);
    } else if (this.#type === Type.VERBATIM && length < VERBATIM_PREFIX) {
      this.#refuse(`a verbatim string of ${length} bytes`, i);
    } else this.#fitsReply(i + 2 + length);
  }

  /** Goes on behind a valid line; `i` is the index of its LF. */
  #endLine(i: number): void {
    const line = LINE_OF_TYPE[this.#type];
    const hasContent = line === Line.COUNT || line === Line.BULK_LENGTH;
    if (!hasContent || this.#content === "nil") return this.#endElement(i);
    if (line === Line.COUNT) return this.#open(this.#line.value, i);
    this.#bodyLeft = this.#line.value;
    this.#phase = Phase.BODY;
    if (this.#bodyLeft > 0) return;
    if (this.#inPush) this.#readKey(NO_BYTES, 0, 0);
    this.#endBody(i);
  }

  #readBody(chunk: Uint8Array, i: number): number {
    const end = Math.min(chunk.length, i + this.#bodyLeft);
    if (this.#isNaming()) this.#push.addName(chunk, i, end);
    this.#bodyLeft -= end - i;
    if (this.#inPush) this.#readKey(chunk, i, end);
    if (this.#bodyLeft === 0) this.#endBody(end - 1);
    return end;
  }

  /** Reads a key, or a part of it, if the string is one of an `invalidate` frame that
   * somebody wants. */
  #readKey(chunk: Uint8Array, start: number, end: number): void {
    const { onInvalidation } = this;
    if (onInvalidation === undefined || this.#nesting.depth !== 2) return;
    if (!this.#push.isInvalidation) return;
    const key = this.#push.addKey(chunk, start, end, this.#bodyLeft === 0);
    if (key !== undefined) onInvalidation(key);
  }

  #endBody(i: number): void {
    this.#phase = Phase.BODY_CR;
    if (this.#isNaming()) this.#addToPush("string", i);
  }

  /** Begins an aggregate; `i` is the index of its line's LF. */
  #open(count: number, i: number): void {
    if (this.#nesting.depth === 0) {
      this.#inPush = this.#frame !== "reply";
      if (this.#inPush) {
        if (this.#push === NO_PUSH) this.#push = new PushFrame();
        this.#push.begin(count);
      }
    }
    const isMap = this.#type === Type.MAP;
    this.#nesting.open(isMap ? count * 2 : count, isMap);
    this.#phase = Phase.TYPE;
    if (count === 0 && this.#nesting.closeFull()) this.#endReply(i + 1);
  }

  /** Ends a frame without elements; `i` is the index of its last byte. */
  #endElement(i: number): void {
    this.#phase = Phase.TYPE;
    if (this.#nesting.depth > 0) {
      if (this.#nesting.completeElement()) this.#endReply(i + 1);
      return;
    }
    if (this.#type === Type.ERROR || this.#type === Type.BLOB_ERROR) this.errors++;
    this.#endReply(i + 1);
  }

  /** Counts a complete reply or push frame; `next` is the index behind it. */
  #endReply(next: number): boolean {
    const role = this.#inPush ? this.#push.role : "reply";
    this.#inPush = false;
    if (role === "confirmation") this.confirmations++;
    else if (role === "event" || this.#frame === "push") this.pushes++;
    else this.replies++;
    return this.#fitsReply(next);
  }

  /** Whether the next bytes are a push frame's name. */
  #isNaming(): boolean {
    return this.#inPush && this.#nesting.depth === 1 && this.#push.isNaming;
  }

  #addToPush(shape: ElementShape, i: number): void {
    const reason = this.#push.addElement(shape);
    this.#refuse(reason, i);
    if (shape === "nil" && this.#push.isInvalidation) this.onInvalidation?.(undefined);
  }

  #expect(byte: number, expected: number, i: number): boolean {
    if (byte === expected) return true;
    const what = `${describeByte(byte)} where ${describeByte(expected)} was due`;
    this.#refuse(`${what} in a ${describeByte(this.#type)} frame`, i);
    return false;
  }

  /** Whether the current reply is small enough if it reaches up to index `next`. */
  #fitsReply(next: number): boolean {
    const { maxReplyBytes } = this.#limits;
    const bytes = this.#position + next - this.#replyStart;
    if (bytes <= maxReplyBytes) return true;
    this.#overLimit(`a reply of ${bytes} bytes or more`, maxReplyBytes, next);
    return false;
  }

  #overLimit(what: string, limit: number, i: number): void {
    this.#refuse(`${what}, the limit is ${limit}`, i);
  }

  #refuse(reason: string | undefined, i: number): void {
    if (reason !== undefined) {
      this.#violation ??= `${reason}, at byte ${this.#position + i}`;
    }
  }
}

/** Whether a frame of this type may stand at the top. */
function isAllowed(mode: ReplyMode, type: number): boolean {
  if (mode === "monitor") {
    return LINE_OF_TYPE[type] === Line.TEXT || type === Type.PUSH;
  }
  // To ioredis these are arrays too, but RESP2 does not have them.
  return mode === "replies" || (type !== Type.SET && type !== Type.MAP);
}
