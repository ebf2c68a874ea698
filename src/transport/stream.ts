import { EventEmitter } from "node:events";
import { Buffer } from "node:buffer";
import type { ByteChannel, ChannelHandlers } from "./channel.ts";
import { type EndOfTick, WriteCoalescer } from "./coalescer.ts";
import { ReplyAssembly } from "./reply_assembly.ts";
import type { OpenReply } from "./reply_types.ts";

/** Unsent bytes at which a stream takes no more commands until it has drained. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/** What the owner of a stream is told; each may be left out. */
export interface StreamHooks {
  /** Looks at bytes before the parser does, and tells of a large reply that is not whole;
   * throws what ends the connection. */
  inspect?(chunk: Uint8Array): OpenReply | undefined | void;
  /** Whether the parser's next reply is made text of at once, so that nobody keeps its
   * bytes. */
  decodesNext?(): boolean;
  /** The parser has seen a chunk of this many bytes. */
  received?(bytes: number): void;
  /** The stream has closed; called before its `close` event. */
  closing?(error: Error | undefined): void;
}

const endOfTick: EndOfTick = queueMicrotask;

/**
 * What the client library sees as its socket: a byte channel whose writes are
 * collected, whose bytes are looked at first, and which ends for good.
 */
export class ConnectionStream extends EventEmitter implements ChannelHandlers {
  readonly #channel: ByteChannel;
  readonly #coalescer: WriteCoalescer;
  #hooks: StreamHooks;
  #bytesReceived = 0;
  #congested = false;
  #destroyed = false;
  /** Commands that were held when the stream was told to end: they go nowhere. */
  #unsentAtEnd: number | undefined;
  #error: Error | undefined;
  /** A large reply that is not whole. */
  #assembly: ReplyAssembly | undefined;

  /**
   * Wraps an open channel.
   *
   * @param channel The channel; not started yet.
   * @param hooks What the owner wants to be told.
   */
  constructor(channel: ByteChannel, hooks: StreamHooks) {
    super();
    this.#channel = channel;
    this.#hooks = hooks;
    this.#coalescer = new WriteCoalescer(channel, endOfTick);
  }

  /**
   * From here on somebody else is told.
   *
   * @param hooks What the new owner wants to be told.
   */
  handTo(hooks: StreamHooks): void {
    this.#hooks = hooks;
  }

  /** `false`: the channel is open before the stream exists. */
  readonly connecting = false;

  /** Whether the stream has ended. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Whether it can be written to. */
  get writable(): boolean {
    return !this.#destroyed;
  }

  /** The channel underneath. */
  get channel(): ByteChannel {
    return this.#channel;
  }

  /** Commands written here that have not reached the channel. */
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
    return this.#congested = this.#channel.bufferedBytes > most;
  }

  /** Bytes that the kernel has not taken yet. */
  get bufferedBytes(): number {
    return this.#channel.bufferedBytes;
  }

  /** The number of unsent bytes that counts as congestion. */
  get maxBufferedBytes(): number {
    return MAX_BUFFERED_BYTES;
  }

  /** Bytes received so far. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Bytes written to the channel so far. */
  get bytesSent(): number {
    return this.#channel.bytesWritten;
  }

  /** Socket writes made so far. */
  get socketWrites(): number {
    return this.#coalescer.flushes;
  }

  /**
   * Takes one command's bytes; they go out at the end of the tick at the latest.
   *
   * @param data Its bytes, or text that goes as UTF-8.
   * @returns `true`.
   */
  write(data: string | Uint8Array): boolean {
    if (this.#unsentAtEnd !== undefined) this.#unsentAtEnd++;
    else if (!this.#destroyed) this.#coalescer.write(data);
    return true;
  }

  /**
   * Begins to deliver; the client library calls it when its parser listens.
   *
   * @returns The stream.
   */
  resume(): this {
    this.#channel.start(this);
    return this;
  }

  /**
   * Does nothing: the channel has set keepalive when it was opened.
   *
   * @returns The stream.
   */
  setKeepAlive(): this {
    return this;
  }

  /**
   * Listens to what happens once, or to the next of what happens again.
   *
   * @param name Name of the event.
   * @param listener Called then.
   * @returns The stream.
   */
  override once(
    name: string | symbol,
    // deno-lint-ignore no-explicit-any
    listener: (...args: any[]) => void,
  ): this {
    // A stream closes once, and nothing is heard of it after that: the wrappers that take
    // a listener off would only be kept for as long as the connection lives.
    return name === "data" ? super.once(name, listener) : this.on(name, listener);
  }

  /** Sends what is held, then closes. */
  end(): void {
    if (this.#destroyed) return;
    this.#coalescer.flush();
    this.#channel.end();
  }

  /**
   * Closes at once.
   *
   * @param error Why, if something went wrong.
   */
  destroy(error?: Error): void {
    this.#error ??= error;
    this.#unsentAtEnd ??= this.#coalescer.drop();
    this.#channel.destroy();
    // Not left to the channel: who destroys a stream finds nothing in flight afterwards.
    queueMicrotask(() => this.close(undefined));
  }

  /**
   * Bytes came. Called by the channel.
   *
   * @param chunk The bytes.
   */
  data(chunk: Uint8Array): void {
    if (this.#destroyed) return;
    this.#bytesReceived += chunk.byteLength;
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

  /** Gives the parser what is whole, and a large reply once all of it is there. */
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
    if (next === undefined || this.#destroyed) return;
    // Now the reply's command is the next one that is answered.
    const mayReuse = this.#hooks.decodesNext?.() === true;
    this.#assembly = new ReplyAssembly(next, mayReuse);
    this.#assembly.take(rest.subarray(before.length));
  }

  /** Gives the parser a large reply; `false` if it is not whole yet. */
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
    if (bytes.length === 0 || this.#destroyed) return;
    this.emit("data", this.#channel.lendsChunks === true ? Buffer.from(bytes) : bytes);
  }

  /**
   * The channel has ended. Called by the channel.
   *
   * @param error Why, if something went wrong.
   */
  close(error: Error | undefined): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#error ??= error;
    this.#hooks.closing?.(this.#error);
    this.emit("close");
    this.removeAllListeners();
  }
}
