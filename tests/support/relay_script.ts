/**
 * A relay that answers some commands itself.
 *
 * @module
 */

import { concatBytes, RespParser } from "./resp_parser.ts";

/**
 * Says what the client gets for a command: bytes (or text) that the server never sees the
 * command for, or `undefined`: the server is asked. Names of commands come as they were sent.
 */
export type RelayScript = (command: string[]) => Uint8Array | string | undefined;

/** The ways out of a {@linkcode ScriptedLink}. */
export interface ScriptedLinkOutlets {
  /** Takes the bytes of a command for the server. */
  toServer: (bytes: Uint8Array) => void;
  /** Takes the bytes of a reply for the client. */
  toClient: (bytes: Uint8Array) => void;
}

/**
 * Splits a connection into commands and replies, so that a reply of the script comes when
 * its turn is: after the server's replies to all earlier commands. Commands without reply
 * (CLIENT REPLY OFF) are beyond it.
 */
export class ScriptedLink {
  readonly #script: RelayScript;
  readonly #outlets: ScriptedLinkOutlets;
  readonly #commands = new FrameCutter();
  readonly #replies = new FrameCutter();
  /** Replies owed to the client, in order: the script's, or the server's to come. */
  readonly #owed: (Uint8Array | "server")[] = [];

  constructor(script: RelayScript, outlets: ScriptedLinkOutlets) {
    this.#script = script;
    this.#outlets = outlets;
  }

  /** Takes bytes from the client. */
  fromClient(chunk: Uint8Array): void {
    for (const { bytes, value } of this.#commands.push(chunk)) {
      const command = Array.isArray(value) ? value.map(String) : [];
      const reply = this.#script(command);
      if (reply === undefined) {
        this.#owed.push("server");
        this.#outlets.toServer(bytes);
      } else {
        this.#owed.push(
          typeof reply === "string" ? new TextEncoder().encode(reply) : reply,
        );
        this.#settle();
      }
    }
  }

  /** Takes bytes from the server. */
  fromServer(chunk: Uint8Array): void {
    for (const { bytes, isPush } of this.#replies.push(chunk)) {
      this.#outlets.toClient(bytes);
      if (isPush) continue;
      this.#owed.shift();
      this.#settle();
    }
  }

  #settle(): void {
    while (this.#owed.length > 0 && this.#owed[0] !== "server") {
      const reply = this.#owed.shift();
      if (reply instanceof Uint8Array) this.#outlets.toClient(reply);
    }
  }
}

/** Gives each frame of a stream with the very bytes it came in. */
class FrameCutter {
  readonly #parser = new RespParser();
  #pending: Uint8Array = new Uint8Array(0);

  push(chunk: Uint8Array): { bytes: Uint8Array; value: unknown; isPush: boolean }[] {
    this.#pending = concatBytes([this.#pending, chunk]);
    return this.#parser.push(chunk).map(({ type, value, length }) => {
      const bytes = this.#pending.subarray(0, length);
      this.#pending = this.#pending.subarray(length);
      return { bytes, value, isPush: type === ">" };
    });
  }
}
