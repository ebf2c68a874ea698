/**
 * A parser of the Redis protocol, RESP2 and RESP3. Tests check clients with it, so it shares
 * no code with them.
 *
 * @module
 */

/**
 * An error reply. It is returned, not thrown: a test decides what it means.
 *
 * @example Usage
 * ```ts
 * import { RespError, startRedis } from "@mooring/redis/testing";
 * import { assert } from "@std/assert";
 *
 * await using server = await startRedis();
 * const reply = await server.cli("INCR");
 * assert(reply instanceof RespError && reply.code === "ERR");
 * ```
 */
export class RespError {
  /** The first word of the message: `ERR`, `WRONGTYPE`, `LOADING`, … */
  readonly code: string;

  /**
   * Creates one.
   *
   * @param message The reply without its leading `-`.
   */
  constructor(
    /** The reply without its leading `-`. */
    readonly message: string,
  ) {
    this.code = message.split(" ", 1)[0]!;
  }

  /** Its message. */
  toString(): string {
    return this.message;
  }
}

/** A reply. A map is a flat array of keys and values, a boolean 1 or 0, as in RESP2. */
export type RespValue = string | number | null | RespError | RespValue[];

/** One whole frame of a connection. */
export interface RespFrame {
  /** First byte of the frame as a character: `+`, `$`, `*`, `>`, … */
  type: string;
  /** The reply. */
  value: RespValue;
  /** Number of bytes it took. */
  length: number;
}

const CR = 13;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A command as the array of bulk strings that a client sends. */
export function encodeCommand(
  args: readonly (string | number | Uint8Array)[],
): Uint8Array {
  const parts: Uint8Array[] = [encoder.encode(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = arg instanceof Uint8Array ? arg : encoder.encode(String(arg));
    parts.push(encoder.encode(`$${bytes.length}\r\n`), bytes, encoder.encode("\r\n"));
  }
  return concatBytes(parts);
}

/** All parts in one array. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Takes bytes as they come and returns the frames that are whole.
 *
 * @example Usage
 * ```ts ignore
 * const parser = new RespParser();
 * parser.push(new TextEncoder().encode("$5\r\nhel")); // []
 * parser.push(new TextEncoder().encode("lo\r\n:1\r\n")); // "hello" and 1
 * ```
 */
export class RespParser {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;
  #consumed = 0;
  #frame: Generator<void, RespFrame, void> | undefined;

  /**
   * Adds bytes; returns the frames that they complete.
   *
   * @throws {Error} If the bytes are not RESP; the parser cannot be used afterwards.
   */
  push(chunk: Uint8Array): RespFrame[] {
    this.#append(chunk);
    const frames: RespFrame[] = [];
    while (this.#frame !== undefined || this.#start < this.#end) {
      this.#frame ??= this.#readFrame();
      const step = this.#frame.next();
      if (!step.done) break;
      frames.push(step.value);
      this.#frame = undefined;
    }
    return frames;
  }

  #append(chunk: Uint8Array): void {
    const kept = this.#end - this.#start;
    if (this.#end + chunk.length > this.#buffer.length) {
      const room = Math.max(this.#buffer.length, 2 * (kept + chunk.length));
      const buffer = new Uint8Array(room);
      buffer.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = buffer;
      this.#start = 0;
      this.#end = kept;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  // A generator pauses where the bytes end and continues there, however deep: a reply of many
  // chunks is read once, not once for each chunk.
  *#readFrame(): Generator<void, RespFrame, void> {
    const before = this.#consumed;
    const line = yield* this.#readLine();
    const type = line[0]!;
    const value = yield* this.#readValue(type, line.slice(1));
    return { type, value, length: this.#consumed - before };
  }

  *#readValue(type: string, rest: string): Generator<void, RespValue, void> {
    switch (type) {
      case "+":
      case "(":
        return rest;
      case "-":
        return new RespError(rest);
      case ":":
      case ",":
        return Number(rest);
      case "_":
        return null;
      case "#":
        return rest === "t" ? 1 : 0;
      case "$":
      case "=":
        return yield* this.#readBulk(Number(rest));
      case "!":
        return new RespError((yield* this.#readBulk(Number(rest))) ?? "");
      case "*":
      case "~":
      case ">":
        return yield* this.#readArray(Number(rest));
      case "%":
        return yield* this.#readArray(2 * Number(rest));
      default:
        throw new Error(`Cannot read RESP: unknown type ${JSON.stringify(type)}`);
    }
  }

  *#readArray(length: number): Generator<void, RespValue[] | null, void> {
    if (length < 0) return null;
    const items: RespValue[] = [];
    while (items.length < length) {
      items.push((yield* this.#readFrame()).value);
    }
    return items;
  }

  *#readBulk(length: number): Generator<void, string | null, void> {
    if (length < 0) return null;
    while (this.#end - this.#start < length + 2) yield;
    const bytes = this.#buffer.subarray(this.#start, this.#start + length);
    this.#take(length + 2);
    return decoder.decode(bytes);
  }

  *#readLine(): Generator<void, string, void> {
    let searched = 0;
    for (;;) {
      const at = this.#buffer.indexOf(CR, this.#start + searched);
      if (at >= 0 && at + 1 < this.#end) {
        const line = decoder.decode(this.#buffer.subarray(this.#start, at));
        this.#take(at + 2 - this.#start);
        return line;
      }
      // Bytes behind the end are old: a CR there means nothing.
      searched = at >= 0 && at < this.#end ? at - this.#start : this.#end - this.#start;
      yield;
    }
  }

  #take(length: number): void {
    this.#start += length;
    this.#consumed += length;
  }
}
