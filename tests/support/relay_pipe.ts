/**
 * One direction of a relayed connection, and what can go wrong in it.
 *
 * @module
 */

import type { Socket } from "node:net";
import { concatBytes } from "./resp_parser.ts";

/** What happens to the bytes of one direction. */
export type RelayFault =
  /** They pass. */
  | { kind: "pass" }
  /** They pass `ms` milliseconds late, in order. */
  | { kind: "delay"; ms: number }
  /** They are taken and forgotten; so is the end of the connection. */
  | { kind: "drop" }
  /** They are not even taken: the sender's buffers fill up. */
  | { kind: "stall" }
  /**
   * `afterBytes` more bytes pass; when the next one comes, both sides are cut off, with FIN
   * (`end`) or RST (`reset`). With `reset`, bytes that the receiver has not taken may be
   * lost, as in life. `afterBytes: 0` towards the client swallows the reply of a command
   * that ran.
   */
  | { kind: "cut"; afterBytes: number; how: RelayEnd }
  /** What `rewrite` makes of them passes. It gets them as they arrived, chunk by chunk. */
  | { kind: "rewrite"; rewrite: (chunk: Uint8Array) => Uint8Array };

/** How a connection is ended: in order with FIN, or by force with RST. */
export type RelayEnd = "end" | "reset";

/** What came in this direction, in bytes. */
export interface RelayPipeCounts {
  /** Taken from the sender. */
  received: number;
  /** Handed to the receiver, injected ones included. */
  delivered: number;
}

/** `null` is the end of the sender's stream. */
type Parcel = { due: number; bytes: Uint8Array | null };

// Time for the receiver to take what was delivered before an RST takes it away.
const RESET_DELAY_MS = 20;

/** Moves the bytes of one direction as the fault of the hour says. */
export class RelayPipe {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #cut: (how: RelayEnd) => void;
  readonly #counts: RelayPipeCounts = { received: 0, delivered: 0 };
  #fault: RelayFault = { kind: "pass" };
  #parcels: Parcel[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #left = 0;
  #sourceEnded = false;
  readonly #injections = new Set<(taken: boolean) => void>();

  constructor(source: Socket, target: Socket, cut: (how: RelayEnd) => void) {
    this.#source = source;
    this.#target = target;
    this.#cut = cut;
    target.on("drain", () => this.#fault.kind !== "stall" && source.resume());
  }

  /** What came so far. */
  get counts(): Readonly<RelayPipeCounts> {
    return { ...this.#counts };
  }

  /** The fault at hand. */
  get fault(): RelayFault {
    return this.#fault;
  }

  /** Changes what happens from now on. What is under way with a delay keeps it. */
  set(fault: RelayFault): void {
    this.#fault = fault;
    if (fault.kind === "cut") this.#left = fault.afterBytes;
    if (fault.kind === "stall") this.#source.pause();
    else this.#source.resume();
    if (fault.kind === "drop") this.#parcels = [];
    else if (this.#sourceEnded) this.#move(null); // an end that was dropped comes through
  }

  /** Takes bytes from the sender. */
  receive(bytes: Uint8Array): void {
    this.#counts.received += bytes.length;
    this.#move(bytes);
  }

  /** Takes the end of the sender's stream. */
  receiveEnd(): void {
    this.#sourceEnded = true;
    this.#move(null);
  }

  /**
   * Hands bytes to the receiver that no sender sent, whatever the fault. Resolves with true
   * when the kernel took them, with false when the connection is closed.
   */
  inject(bytes: Uint8Array): Promise<boolean> {
    if (bytes.length === 0 || !this.#isOpen) return Promise.resolve(this.#isOpen);
    return new Promise((resolve) => {
      this.#injections.add(resolve);
      this.#write(bytes, (error) => {
        this.#injections.delete(resolve);
        resolve(!error);
      });
    });
  }

  /** Forgets what is under way. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#parcels = [];
    for (const resolve of this.#injections) resolve(false);
    this.#injections.clear();
  }

  #move(bytes: Uint8Array | null): void {
    switch (this.#fault.kind) {
      case "drop":
        return;
      case "cut":
        return bytes === null ? this.#post(null, 0) : this.#moveUntilCut(bytes);
      case "rewrite":
        return this.#post(bytes && this.#fault.rewrite(bytes), 0);
      case "delay":
        return this.#post(bytes, this.#fault.ms);
      case "pass":
      case "stall": // what was on its way before the stall
        return this.#post(bytes, 0);
    }
  }

  #moveUntilCut(bytes: Uint8Array): void {
    if (this.#fault.kind !== "cut") return;
    const { how } = this.#fault;
    const part = bytes.subarray(0, this.#left);
    this.#left -= part.length;
    this.#write(part);
    if (part.length === bytes.length) return;
    this.#fault = { kind: "drop" };
    if (how === "end" || part.length === 0) this.#cut(how);
    else this.#timer = setTimeout(() => this.#cut(how), RESET_DELAY_MS);
  }

  #post(bytes: Uint8Array | null, delayMs: number): void {
    if (delayMs === 0 && this.#parcels.length === 0) return this.#deliver(bytes);
    this.#parcels.push({ due: performance.now() + delayMs, bytes });
    this.#timer ??= setTimeout(() => this.#deliverDue(), delayMs);
  }

  #deliverDue(): void {
    this.#timer = undefined;
    const now = performance.now();
    const waiting = this.#parcels.findIndex(({ due }) => due > now);
    const due = this.#parcels.splice(0, waiting < 0 ? this.#parcels.length : waiting);
    const bytes = due.flatMap((parcel) => parcel.bytes ?? []);
    if (bytes.length > 0) this.#write(concatBytes(bytes));
    if (due.some((parcel) => parcel.bytes === null)) this.#deliver(null);
    if (this.#parcels.length > 0) {
      const ms = Math.max(1, this.#parcels[0].due - now);
      this.#timer = setTimeout(() => this.#deliverDue(), ms);
    }
  }

  #deliver(bytes: Uint8Array | null): void {
    if (bytes !== null) this.#write(bytes);
    else if (this.#isOpen) this.#target.end();
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
