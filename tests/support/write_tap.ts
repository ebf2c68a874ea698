/**
 * What went over the wire of each write, so that a test can tell what a server forgot from
 * what a client made of it.
 *
 * @module
 */

import type { ProxyObserver } from "../../src/testing/proxy_connection.ts";
import { RespParser, type RespValue } from "../../src/testing/resp_parser.ts";

/** A command with a key that is watched, and what the server said to it. */
export interface WireCommand {
  /** Name of the command, in capitals. */
  readonly name: string;
  /** Its arguments: the key first. */
  readonly args: readonly string[];
  /** The node that it went to. */
  readonly node: string;
  /** Number of the connection to this node. */
  readonly connection: number;
  /** When it was sent, on the clock of `performance.now()`. */
  readonly sentAt: number;
  /** What the server said; `undefined`: nothing that reached the client. */
  reply?: RespValue;
  /** When the server said it. */
  repliedAt?: number;
}

/** Both directions of one connection, each with what was not yet read to its end. */
class Link {
  readonly commands = new RespParser();
  readonly replies = new RespParser();
  /** Commands without a reply, in order; `undefined` for those that nobody watches. */
  readonly owed: (WireCommand | undefined)[] = [];
}

/**
 * Observes relays, one for each node, and keeps the commands whose first argument is a key
 * that is watched. Pairs replies with commands by their order, so the connections must not
 * subscribe (RESP2) nor switch replies off.
 *
 * @example
 * ```ts
 * const tap = new WriteTap(["n"]);
 * await using relay = await FaultProxy.start({ to: server, observer: tap.recorderOf("a") });
 * // … INCR n over relay.port
 * tap.commands; // [{ name: "INCR", args: ["n"], node: "a", connection: 1, reply: 1, … }]
 * ```
 */
export class WriteTap {
  /** What was seen, in the order of sending. */
  readonly commands: WireCommand[] = [];
  readonly #keys: ReadonlySet<string>;

  /** @param keys The keys that are watched. */
  constructor(keys: Iterable<string>) {
    this.#keys = new Set(keys);
  }

  /** What the relay of a node reports to. */
  recorderOf(node: string): ProxyObserver {
    const links = new Map<number, Link>();
    // Connections that sent what is no RESP: any process may connect to a relay's port. If
    // a caller is told a reply of such a connection, the judge finds no command to it.
    const strangers = new Set<number>();
    return {
      event: () => {},
      bytes: (connection, way, chunk, fate) => {
        if (fate === "lost" || strangers.has(connection)) return;
        let link = links.get(connection);
        if (link === undefined) links.set(connection, link = new Link());
        try {
          if (way === "toServer") this.#onCommands(link, chunk, node, connection);
          else this.#onReplies(link, chunk);
        } catch {
          strangers.add(connection);
        }
      },
    };
  }

  #onCommands(link: Link, chunk: Uint8Array, node: string, connection: number): void {
    for (const { value } of link.commands.push(chunk)) {
      const [name = "", ...args] = (value as RespValue[]).map(String);
      if (!this.#keys.has(args[0]!)) {
        link.owed.push(undefined);
        continue;
      }
      const sentAt = performance.now();
      const command = { name: name.toUpperCase(), args, node, connection, sentAt };
      link.owed.push(command);
      this.commands.push(command);
    }
  }

  #onReplies(link: Link, chunk: Uint8Array): void {
    for (const { type, value } of link.replies.push(chunk)) {
      if (type === ">") continue;
      const command = link.owed.shift();
      if (command === undefined) continue;
      command.reply = value;
      command.repliedAt = performance.now();
    }
  }
}
