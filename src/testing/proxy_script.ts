/**
 * Replies that a fault proxy gives itself.
 *
 * @module
 */

import { concatBytes, RespParser } from "./resp_parser.ts";

/**
 * What the client gets as the reply to a command: bytes or text of RESP, such as
 * `"-LOADING Redis is loading\r\n"`; then the server does not get the command. `undefined`:
 * the server answers. The command comes as it was sent, its name in whatever case.
 */
export type ProxyScript = (command: string[]) => Uint8Array | string | undefined;

/** Where a {@linkcode ScriptedLink} writes to. */
export interface ScriptedLinkOutlets {
  /** Sends the bytes of a command to the server. */
  toServer: (bytes: Uint8Array) => void;
  /** Sends the bytes of a reply to the client. */
  toClient: (bytes: Uint8Array) => void;
}

/**
 * Splits a connection into commands and replies, so that a reply of the script comes in its
 * turn: after the server's replies to all earlier commands. It does not know commands
 * without a reply (`CLIENT REPLY OFF`).
 */
export class ScriptedLink {
  readonly #script: ProxyScript;
  readonly #outlets: ScriptedLinkOutlets;
  readonly #commands = new FrameCutter();
  readonly #replies = new FrameCutter();
  /** Replies owed to the client, in order: the script's, or the server's to come. */
  readonly #owed: (Uint8Array | "server")[] = [];

  constructor(script: ProxyScript, outlets: ScriptedLinkOutlets) {
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

/** Splits a stream into frames, each with its bytes. */
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
