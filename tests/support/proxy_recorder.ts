/**
 * What went through a relay last, so that a violation can be explained when it is noticed.
 *
 * @module
 */

import type { ProxyObserver, ProxyWay } from "../../src/testing/proxy_connection.ts";
import type { ProxyFate } from "../../src/testing/proxy_pipe.ts";

/** What a dump shows. */
export interface DumpOptions {
  /** Chunks shown of each connection, the last ones. Default: 30. */
  readonly chunks?: number;
  /** Connections shown, those that were used last. Default: 40. */
  readonly connections?: number;
  /** Texts, such as keys: the chunks that hold one are shown apart, 40 at most. */
  readonly about?: readonly string[];
}

type Kind = ProxyWay | "event";

interface Entry {
  readonly at: number;
  /** Number of the connection; 0 for what concerns all. */
  readonly connection: number;
  readonly kind: Kind;
  readonly fate: ProxyFate;
  /** Length of the chunk, of which head and tail are kept. */
  readonly length: number;
  readonly text: string;
}

/** Kept of the beginning of a chunk, and of its end, in bytes. */
const HEAD = 256;
const TAIL = 512;
/** Bytes of an entry beside its text: when, connection, kind and fate, length, kept. */
const HEADER = 8 + 4 + 1 + 4 + 4;
const KINDS: readonly Kind[] = ["toServer", "toClient", "event"];
const LOST = 128;
const MOST_ABOUT = 40;

/**
 * Keeps the last chunks of all connections of a relay, and what happened to them. Its
 * memory is taken at once and never grows: two halves are written in turn, and the older
 * one is overwritten when the other is full. So it may run beside a judge of the heap.
 */
export class ProxyRecorder implements ProxyObserver {
  readonly #now: () => number;
  readonly #startedAt: number;
  #current: Half;
  #previous: Half;

  /**
   * Begins to record.
   *
   * @param size Bytes of its memory. Default: 16 MiB.
   * @param now Time, in milliseconds.
   */
  constructor(size = 16 * 1024 ** 2, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAt = now();
    this.#current = new Half(size / 2);
    this.#previous = new Half(size / 2);
  }

  /** Takes note of a chunk. */
  bytes(connection: number, way: ProxyWay, chunk: Uint8Array, fate: ProxyFate): void {
    const kept = chunk.length <= HEAD + TAIL
      ? [chunk]
      : [chunk.subarray(0, HEAD), chunk.subarray(-TAIL)];
    this.#add(connection, way, fate, chunk.length, kept);
  }

  /** Takes note of something that happened: to one connection, or (0) to all. */
  event(text: string, connection = 0): void {
    const bytes = new TextEncoder().encode(text).subarray(0, HEAD + TAIL);
    this.#add(connection, "event", "passed", bytes.length, [bytes]);
  }

  /** What is remembered, as text: events, each connection's last chunks, what is about. */
  dump(options: DumpOptions = {}): string {
    const { chunks = 30, connections = 40, about = [] } = options;
    const entries = [...this.#previous.entries(), ...this.#current.entries()];
    const byConnection = Map.groupBy(entries, ({ connection }) => connection);
    const events = byConnection.get(0) ?? [];
    byConnection.delete(0);
    const last = [...byConnection].sort(([, a], [, b]) => b.at(-1)!.at - a.at(-1)!.at);
    const found = entries.filter(({ kind, text }) =>
      kind !== "event" && about.some((each) => text.includes(each))
    );
    return [
      `Remembered: ${entries.length} entries from ${this.#time(entries[0])} to ` +
      `${this.#time(entries.at(-1))}; now it is ${this.#seconds(this.#now())}`,
      "What happened to all:",
      ...events.map((entry) => this.#line(entry)),
      ...(about.length === 0 ? [] : [
        `Chunks about ${about.join(", ")}: ${found.length}, the last ${MOST_ABOUT}:`,
        ...found.slice(-MOST_ABOUT).map((entry) =>
          `  #${entry.connection}${this.#line(entry)}`
        ),
      ]),
      ...last.slice(0, connections).flatMap(([number, own]) => [
        `Connection #${number}, the last ${chunks} of ${own.length} entries:`,
        ...own.slice(-chunks).map((entry) => this.#line(entry)),
      ]),
    ].join("\n");
  }

  #add(
    connection: number,
    kind: Kind,
    fate: ProxyFate,
    length: number,
    kept: readonly Uint8Array[],
  ): void {
    const code = KINDS.indexOf(kind) + (fate === "lost" ? LOST : 0);
    if (this.#current.add(this.#now(), connection, code, length, kept)) return;
    [this.#previous, this.#current] = [this.#current, this.#previous];
    this.#current.clear();
    this.#current.add(this.#now(), connection, code, length, kept);
  }

  #line(entry: Entry): string {
    const { kind, fate, length, text } = entry;
    const time = `  ${this.#time(entry)}`;
    if (kind === "event") return `${time} ${text}`;
    const arrow = kind === "toServer" ? "→" : "←";
    const lost = fate === "lost" ? " LOST" : "";
    return `${time} ${arrow}${lost} ${length} B ${JSON.stringify(text)}`;
  }

  #time(entry: Entry | undefined): string {
    return entry === undefined ? "never" : this.#seconds(entry.at);
  }

  #seconds(at: number): string {
    return `${((at - this.#startedAt) / 1000).toFixed(3)} s`;
  }
}

/** One half of the memory. */
class Half {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #end = 0;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  clear(): void {
    this.#end = 0;
  }

  /** Adds an entry; `false` if there is no room for it. */
  add(
    at: number,
    connection: number,
    code: number,
    length: number,
    kept: readonly Uint8Array[],
  ): boolean {
    const size = kept.reduce((sum, part) => sum + part.length, 0);
    if (this.#end + HEADER + size > this.#bytes.length) return false;
    const view = this.#view;
    view.setFloat64(this.#end, at);
    view.setUint32(this.#end + 8, connection);
    view.setUint8(this.#end + 12, code);
    view.setUint32(this.#end + 13, length);
    view.setUint32(this.#end + 17, size);
    this.#end += HEADER;
    for (const part of kept) {
      this.#bytes.set(part, this.#end);
      this.#end += part.length;
    }
    return true;
  }

  *entries(): Generator<Entry> {
    const view = this.#view;
    const decoder = new TextDecoder();
    for (let i = 0; i < this.#end;) {
      const code = view.getUint8(i + 12);
      const length = view.getUint32(i + 13);
      const size = view.getUint32(i + 17);
      const kept = this.#bytes.subarray(i + HEADER, i + HEADER + size);
      yield {
        at: view.getFloat64(i),
        connection: view.getUint32(i + 8),
        kind: KINDS[code % LOST]!,
        fate: code >= LOST ? "lost" : "passed",
        length,
        text: length === size
          ? decoder.decode(kept)
          : `${decoder.decode(kept.subarray(0, HEAD))} … ${
            decoder.decode(kept.subarray(HEAD))
          }`,
      };
      i += HEADER + size;
    }
  }
}
