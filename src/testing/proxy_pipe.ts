/**
 * One direction of a connection through a fault proxy, and what can go wrong in it.
 *
 * @module
 */

import type { Socket } from "node:net";
import { checkIntegers } from "./checks.ts";
import { concatBytes } from "./resp_parser.ts";

/** What happens to the bytes of one direction of a connection. */
export type ProxyFault =
  /** They pass. */
  | { kind: "pass" }
  /** They pass `ms` milliseconds late, in order. */
  | { kind: "delay"; ms: number }
  /**
   * They are read and dropped, and so is the end of the connection; both ends stay open. No
   * later byte of this direction passes, whatever the fault is then: a TCP stream may end
   * early, but it has no holes. Its end passes again after another fault is set.
   */
  | { kind: "swallow" }
  /** They are not read: the sender's buffers fill up. */
  | { kind: "stall" }
  /**
   * `afterBytes` more bytes pass. The next byte ends the connection, for both sides, with FIN
   * (`end`) or RST (`reset`); that is final. `afterBytes: 0` for replies loses the reply of
   * a command that ran.
   */
  | { kind: "cut"; afterBytes: number; how: ProxyEnd }
  /** What `rewrite` returns passes. It gets the bytes as they arrive, chunk by chunk. */
  | { kind: "rewrite"; rewrite: (chunk: Uint8Array) => Uint8Array };

/** How a connection is ended: with FIN (`end`) or RST (`reset`). */
export type ProxyEnd = "end" | "reset";

/** Bytes of one direction. */
export interface ProxyCounts {
  /** Read from the sender. */
  readonly received: number;
  /** Written to the receiver, injected ones included. */
  readonly delivered: number;
}

/** What becomes of received bytes: they are delivered, now or later, or they are lost. */
export type ProxyFate = "passed" | "lost";

/** What a {@linkcode ProxyPipe} calls. */
export interface ProxyPipeHooks {
  /** Ends both directions. */
  cut(how: ProxyEnd): void;
  /** Notes bytes that were received. */
  note(bytes: Uint8Array, fate: ProxyFate): void;
}

/** What is under way: bytes, the end of the sender's stream, or a cut. */
type Parcel = { readonly due: number; readonly load: Uint8Array | "end" | ProxyCut };

interface ProxyCut {
  readonly how: ProxyEnd;
  /** Whether bytes came with it that the receiver has to take first. */
  readonly follows: boolean;
}

/**
 * What may still pass: everything; only the end of the stream, as bytes were dropped;
 * nothing, as the direction is being cut or is closed. It changes in this order only.
 */
type Passage = "all" | "end" | "nothing";

// An RST discards what the receiver has not read yet: it gets this long to read.
const RESET_DELAY_MS = 20;

/**
 * Moves the bytes of one direction, as its fault says. But for injected and rewritten bytes,
 * what it delivers is a prefix of what it received: TCP makes no holes.
 */
export class ProxyPipe {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #hooks: ProxyPipeHooks;
  readonly #counts = { received: 0, delivered: 0 };
  #fault: ProxyFault = { kind: "pass" };
  #passage: Passage = "all";
  #parcels: Parcel[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #cutTimer: ReturnType<typeof setTimeout> | undefined;
  #left = 0;
  #sourceEnded = false;
  readonly #injections = new Set<(taken: boolean) => void>();

  constructor(source: Socket, target: Socket, hooks: ProxyPipeHooks) {
    this.#source = source;
    this.#target = target;
    this.#hooks = hooks;
    target.on("drain", () => this.#fault.kind !== "stall" && source.resume());
  }

  /** Bytes so far. */
  get counts(): ProxyCounts {
    return { ...this.#counts };
  }

  /** The present fault. */
  get fault(): ProxyFault {
    return this.#fault;
  }

  /** Whether it is being cut, or closed: then nothing passes. */
  get isOver(): boolean {
    return this.#passage === "nothing";
  }

  /**
   * Changes what happens from now on. What is under way with a delay keeps it. Has no
   * effect once the direction is being cut.
   */
  set(fault: ProxyFault): void {
    if (fault.kind === "delay") checkIntegers("delay bytes", { ms: fault.ms });
    if (fault.kind === "cut") checkIntegers("cut", { afterBytes: fault.afterBytes });
    if (this.isOver) return;
    this.#fault = fault;
    if (fault.kind === "cut") this.#left = fault.afterBytes;
    if (fault.kind === "stall") this.#source.pause();
    else this.#source.resume();
    if (fault.kind === "swallow") this.#dropParcels();
    else if (this.#sourceEnded) this.#post("end", 0); // an end that was dropped passes now
  }

  /** Takes bytes from the sender. */
  receive(bytes: Uint8Array): void {
    this.#counts.received += bytes.length;
    const fault = this.#fault;
    if (this.#passage !== "all" || fault.kind === "swallow") return this.#lose(bytes);
    if (fault.kind === "cut") return this.#passUntilCut(bytes, fault.how);
    this.#hooks.note(bytes, "passed");
    if (fault.kind === "rewrite") return this.#post(fault.rewrite(bytes), 0);
    // A stall passes what was on its way before it.
    this.#post(bytes, fault.kind === "delay" ? fault.ms : 0);
  }

  /** Takes the end of the sender's stream. */
  receiveEnd(): void {
    this.#sourceEnded = true;
    if (this.isOver || this.#fault.kind === "swallow") return;
    this.#post("end", this.#fault.kind === "delay" ? this.#fault.ms : 0);
  }

  /**
   * Writes bytes to the receiver that were not sent, whatever the fault is. Resolves with
   * `true` when the kernel took them, with `false` if the connection is cut or closed.
   */
  inject(bytes: Uint8Array): Promise<boolean> {
    const isOpen = this.#isOpen && !this.isOver;
    if (bytes.length === 0 || !isOpen) return Promise.resolve(isOpen);
    return new Promise((resolve) => {
      this.#injections.add(resolve);
      this.#write(bytes, (error) => {
        this.#injections.delete(resolve);
        resolve(!error);
      });
    });
  }

  /** Drops what is under way; nothing passes from now on. */
  close(): void {
    this.#passage = "nothing";
    clearTimeout(this.#timer);
    clearTimeout(this.#cutTimer);
    this.#timer = this.#cutTimer = undefined;
    this.#parcels = [];
    for (const resolve of this.#injections) resolve(false);
    this.#injections.clear();
  }

  #lose(bytes: Uint8Array): void {
    this.#hooks.note(bytes, "lost");
    if (this.#passage === "all") this.#passage = "end";
  }

  #dropParcels(): void {
    const parcels = this.#parcels;
    this.#parcels = [];
    for (const { load } of parcels) {
      if (load instanceof Uint8Array) this.#lose(load);
    }
  }

  #passUntilCut(bytes: Uint8Array, how: ProxyEnd): void {
    const part = bytes.subarray(0, this.#left);
    const rest = bytes.subarray(part.length);
    this.#left -= part.length;
    if (part.length > 0) {
      this.#hooks.note(part, "passed");
      this.#post(part, 0);
    }
    if (rest.length === 0) return;
    this.#passage = "nothing";
    this.#hooks.note(rest, "lost");
    this.#post({ how, follows: part.length > 0 }, 0);
  }

  /** Queues something behind what is under way, however short its own delay is. */
  #post(load: Parcel["load"], delayMs: number): void {
    if (delayMs === 0 && this.#parcels.length === 0) return this.#deliver(load);
    this.#parcels.push({ due: performance.now() + delayMs, load });
    this.#timer ??= setTimeout(() => this.#deliverDue(), delayMs);
  }

  #deliverDue(): void {
    this.#timer = undefined;
    const now = performance.now();
    const waiting = this.#parcels.findIndex(({ due }) => due > now);
    const due = this.#parcels.splice(0, waiting < 0 ? this.#parcels.length : waiting);
    const bytes = due.flatMap(({ load }) => load instanceof Uint8Array ? load : []);
    if (bytes.length > 0) this.#write(concatBytes(bytes));
    for (const { load } of due) {
      if (!(load instanceof Uint8Array)) this.#deliver(load);
    }
    if (this.#parcels.length > 0) {
      const ms = Math.max(1, this.#parcels[0]!.due - now);
      this.#timer = setTimeout(() => this.#deliverDue(), ms);
    }
  }

  #deliver(load: Parcel["load"]): void {
    if (load instanceof Uint8Array) this.#write(load);
    else if (load === "end") {
      if (this.#isOpen) this.#target.end();
    } else if (load.how === "end" || !load.follows) this.#hooks.cut(load.how);
    else this.#cutTimer = setTimeout(() => this.#hooks.cut(load.how), RESET_DELAY_MS);
  }

  get #isOpen(): boolean {
    return !this.#target.destroyed && !this.#target.writableEnded;
  }

  #write(bytes: Uint8Array, done?: (error?: Error | null) => void): void {
    if (bytes.length === 0 || !this.#isOpen) return;
    this.#counts.delivered += bytes.length;
    if (!this.#target.write(bytes, done)) this.#source.pause();
  }
}
