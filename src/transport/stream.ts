import { EventEmitter } from "node:events";
import { Buffer } from "node:buffer";
import type { ByteChannel, ChannelHandlers } from "./channel.ts";
import { type EndOfTick, WriteCoalescer } from "./coalescer.ts";
import type { OpenReply } from "./reply_types.ts";

/** Shortest reply that is collected: below it joining pieces costs little. */
const MIN_BYTES = 16 * 1024;
/** Longest reply that is collected: the memory is allocated by what a server only declares.
 * The pieces of longer replies go to the parser as they come. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Longest reply that is collected in reused memory, which is kept for good. */
const MAX_REUSED_BYTES = 2 * 1024 * 1024;

/** Free memory of the whole process, as most replies are complete before another begins. */
let spare: Buffer | undefined;

/**
 * Collects the pieces of one large reply in memory of its size, so that each byte is copied
 * once. The parser of ioredis would keep all pieces and join them in the end.
 */
export class ReplyAssembly {
  readonly #memory: Buffer;
  readonly #bytes: Buffer;
  /** Whether its memory is reused. */
  readonly isReused: boolean;
  #filled = 0;

  /**
   * @param reply The reply; {@linkcode ReplyAssembly.isFor} returned `true` for it.
   * @param mayReuse Whether its bytes are not kept once the parser has read them.
   */
  constructor({ missing, seen }: OpenReply, mayReuse: boolean) {
    const length = seen + missing;
    this.isReused = mayReuse && length <= MAX_REUSED_BYTES;
    const found = this.isReused ? spare : undefined;
    if (found !== undefined) spare = undefined;
    this.#memory = found !== undefined && found.length >= length
      ? found
      : Buffer.allocUnsafeSlow(length);
    this.#bytes = this.#memory.subarray(0, length);
  }

  /** Whether a reply is collected, rather than passed on in pieces: a large one, not a huge one. */
  static isFor({ missing, seen }: OpenReply): boolean {
    return seen + missing >= MIN_BYTES && seen + missing <= MAX_BYTES;
  }

  /** The complete reply; `undefined` while a part is missing. */
  get whole(): Buffer | undefined {
    return this.#filled === this.#bytes.length ? this.#bytes : undefined;
  }

  /** Takes the part of a chunk that belongs to the reply; returns the rest. */
  take(chunk: Uint8Array): Uint8Array {
    const piece = chunk.subarray(0, this.#bytes.length - this.#filled);
    this.#bytes.set(piece, this.#filled);
    this.#filled += piece.length;
    return chunk.subarray(piece.length);
  }

  /** Releases its memory for the next reply. */
  release(): void {
    if (this.isReused) spare = this.#memory;
  }
}

/** Unsent bytes at which a stream takes no more commands until it has drained. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/** Callbacks of the owner of a stream. */
export interface StreamHooks {
  /** Checks bytes before the parser reads them; throws to end the connection. Returns the
   * large reply that was received in part, if there is one. */
  inspect?(chunk: Uint8Array): OpenReply | undefined | void;
  /** Whether the next reply is converted to a string at once, so that its bytes are not
   * kept. */
  decodesNext?(): boolean;
  /** The parser has read a chunk. */
  received?(bytes: number): void;
  /** The stream has closed; called before its `close` event. */
  closing?(error: Error | undefined): void;
}

const endOfTick: EndOfTick = queueMicrotask;

/**
 * The socket of an ioredis client: a byte channel whose writes are coalesced, whose replies
 * are checked first, and which does not reconnect.
 */
export class ConnectionStream extends EventEmitter implements ChannelHandlers {
  readonly channel: ByteChannel;
  readonly #coalescer: WriteCoalescer;
  #hooks: StreamHooks;
  /** Bytes received so far. */
  bytesReceived = 0;
  #congested = false;
  /** Whether the stream has ended. */
  destroyed = false;
  /** Number of commands that were dropped when the stream ended. */
  #unsentAtEnd: number | undefined;
  #error: Error | undefined;
  /** A large reply that is not whole. */
  #assembly: ReplyAssembly | undefined;

  /** Wraps an open channel that was not started. */
  constructor(channel: ByteChannel, hooks: StreamHooks) {
    super();
    this.channel = channel;
    this.#hooks = hooks;
    this.#coalescer = new WriteCoalescer(channel, endOfTick);
  }

  /** Replaces the hooks: the stream has a new owner. */
  handTo(hooks: StreamHooks): void {
    this.#hooks = hooks;
  }

  /** `false`: the channel is open before the stream exists. */
  readonly connecting = false;

  /** Whether it can be written to. */
  get writable(): boolean {
    return !this.destroyed;
  }

  /** Number of commands that have not reached the channel. */
  get unsentCommands(): number {
    return this.#unsentAtEnd ?? this.#coalescer.pending;
  }

  /** Number of the current tick of writes. */
  get tick(): number {
    return this.#coalescer.tick;
  }

  /** Whether so much is unsent that no more should be written, until all of it is. */
  get congested(): boolean {
    const most = this.#congested ? 0 : MAX_BUFFERED_BYTES;
    return this.#congested = this.channel.bufferedBytes > most;
  }

  /** Bytes that the kernel has not taken yet. */
  get bufferedBytes(): number {
    return this.channel.bufferedBytes;
  }

  /** The number of unsent bytes that counts as congestion. */
  get maxBufferedBytes(): number {
    return MAX_BUFFERED_BYTES;
  }

  /** Bytes written to the channel so far. */
  get bytesSent(): number {
    return this.channel.bytesWritten;
  }

  /** Socket writes made so far. */
  get socketWrites(): number {
    return this.#coalescer.flushes;
  }

  /** Writes a command: its bytes, or text as UTF-8; sent at the end of the tick at the latest. */
  write(data: string | Uint8Array): boolean {
    if (this.#unsentAtEnd !== undefined) this.#unsentAtEnd++;
    else if (!this.destroyed) this.#coalescer.write(data);
    return true;
  }

  /** Makes what `write` adds as few socket writes as its size needs. */
  writeTogether(write: () => void): void {
    this.#coalescer.inBatch = true;
    write();
    this.#coalescer.inBatch = false;
  }

  /** Starts delivery. Called by ioredis when its parser listens. */
  resume(): this {
    this.channel.start(this);
    return this;
  }

  /** Does nothing: the channel has set keepalive when it was opened. */
  setKeepAlive(): this {
    return this;
  }

  override once(
    name: string | symbol,
    // deno-lint-ignore no-explicit-any
    listener: (...args: any[]) => void,
  ): this {
    // A stream closes once and has no events after that: the wrappers that remove a listener
    // would only be kept for as long as the connection lives.
    return name === "data" ? super.once(name, listener) : this.on(name, listener);
  }

  /** Closes after everything was sent. */
  end(): void {
    if (this.destroyed) return;
    this.#coalescer.flush();
    this.channel.end();
  }

  /** Closes at once; `error` is why, if something went wrong. */
  destroy(error?: Error): void {
    this.#error ??= error;
    this.#unsentAtEnd ??= this.#coalescer.drop();
    this.channel.destroy();
    // Does not wait for the channel: after destroy() nothing is in flight.
    queueMicrotask(() => this.close(undefined));
  }

  /** Bytes were received. Called by the channel. */
  data(chunk: Uint8Array): void {
    if (this.destroyed) return;
    this.bytesReceived += chunk.byteLength;
    let open: OpenReply | undefined;
    try {
      open = this.#hooks.inspect?.(chunk) ?? undefined;
    } catch (error) {
      this.destroy(error as Error);
      return;
    }
    this.#deliver(chunk, open);
    this.#hooks.received?.(chunk.byteLength);
  }

  /** Passes complete replies to the parser, and a large one once all of it was received. */
  #deliver(chunk: Uint8Array, open: OpenReply | undefined): void {
    let rest = chunk;
    if (this.#assembly !== undefined) {
      rest = this.#assembly.take(chunk);
      if (!this.#deliverWhole(this.#assembly)) return;
    }
    const begins = open !== undefined && open.seen <= rest.length;
    const before = begins ? rest.subarray(0, rest.length - open.seen) : rest;
    const next = begins && ReplyAssembly.isFor(open) ? open : undefined;
    this.#give(next === undefined ? rest : before);
    if (next === undefined || this.destroyed) return;
    // Now the reply's command is the next one that is answered.
    const mayReuse = this.#hooks.decodesNext?.() === true;
    this.#assembly = new ReplyAssembly(next, mayReuse);
    this.#assembly.take(rest.subarray(before.length));
  }

  /** Passes a large reply to the parser; `false` if it is not complete yet. */
  #deliverWhole(assembly: ReplyAssembly): boolean {
    const { whole } = assembly;
    if (whole === undefined) return false;
    this.#assembly = undefined;
    // Asked again, as it must be certain.
    const isNobodys = assembly.isReused && this.#hooks.decodesNext?.() === true;
    this.emit("data", assembly.isReused && !isNobodys ? Buffer.from(whole) : whole);
    assembly.release();
    return true;
  }

  #give(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.destroyed) return;
    this.emit("data", this.channel.lendsChunks === true ? Buffer.from(bytes) : bytes);
  }

  /** The channel has ended. Called by the channel. */
  close(error: Error | undefined): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#error ??= error;
    this.#hooks.closing?.(this.#error);
    this.emit("close");
    this.removeAllListeners();
  }
}
