/**
 * A DNS server that answers from a table, over UDP on loopback.
 *
 * @module
 */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { concatBytes } from "../../src/testing/resp_parser.ts";

/** One resource record. `ttl` is in seconds, default 0: nobody is to remember it. */
export type DnsRecord =
  | { type: "A"; address: string; ttl?: number }
  | {
    type: "SRV";
    target: string;
    port: number;
    priority?: number;
    weight?: number;
    ttl?: number;
  };

/** What was asked. */
export interface DnsQuery {
  /** Name in lower case, without a dot at its end. */
  name: string;
  /** Type as a number: 1 is A, 28 is AAAA, 33 is SRV. */
  type: number;
}

/**
 * How a server is: `answer` from the table, `silent`, `servfail`, or answering only after
 * some milliseconds.
 */
export type DnsMood = "answer" | "silent" | "servfail" | { delayMs: number };

const TYPES: Record<DnsRecord["type"], number> = { A: 1, SRV: 33 };
const NO_ERROR = 0;
const SERVER_FAILURE = 2;
const NO_SUCH_NAME = 3;
const HEADER_LENGTH = 12;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A running DNS server. A name that is not in its table does not exist.
 *
 * @example
 * ```ts
 * await using dns = await DnsServer.start({
 *   "_redis._tcp.service.test": [{ type: "SRV", target: "a.test", port: 6379 }],
 *   "a.test": [{ type: "A", address: "127.0.0.1" }],
 * });
 * await Deno.resolveDns("_redis._tcp.service.test", "SRV", { nameServer: dns.nameServer });
 * ```
 */
export class DnsServer implements AsyncDisposable {
  /** Address and UDP port, as `Deno.resolveDns` takes them. */
  readonly nameServer: { ipAddr: string; port: number };
  /** The table: name in lower case → records. It may be changed at any time. */
  readonly records: Map<string, DnsRecord[]>;
  /** Everything that was asked, in order. */
  readonly queries: DnsQuery[] = [];
  /** How it answers from now on. */
  mood: DnsMood = "answer";
  readonly #socket: Socket;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  private constructor(socket: Socket, records: Record<string, DnsRecord[]>) {
    this.#socket = socket;
    this.records = new Map(Object.entries(records));
    this.nameServer = { ipAddr: "127.0.0.1", port: socket.address().port };
    socket.on("message", (bytes, from) => this.#receive(bytes, from));
  }

  /** Starts a server with a table. */
  static async start(records: Record<string, DnsRecord[]> = {}): Promise<DnsServer> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, "127.0.0.1", resolve);
    });
    return new DnsServer(socket, records);
  }

  /** Stops the server; answers that are still delayed are not sent. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #receive(bytes: Uint8Array, from: RemoteInfo): void {
    const question = readQuestion(bytes);
    this.queries.push({ name: question.name, type: question.type });
    const send = () => this.#socket.send(this.#reply(bytes, question), from.port);
    if (this.mood === "silent") return;
    if (typeof this.mood === "string") return send();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      send();
    }, this.mood.delayMs);
    this.#timers.add(timer);
  }

  #reply(query: Uint8Array, { name, type, end }: Question): Uint8Array {
    const known = this.records.get(name);
    const failed = this.mood === "servfail";
    const answers = failed ? [] : (known ?? []).filter((one) => TYPES[one.type] === type);
    const code = failed ? SERVER_FAILURE : known ? NO_ERROR : NO_SUCH_NAME;
    const header = new Uint8Array(HEADER_LENGTH);
    header.set(query.subarray(0, 2)); // the query's number
    header[2] = 0x84 | (query[2] & 1); // an answer, with authority; recursion as desired
    header[3] = 0x80 | code; // recursion available
    header[5] = 1; // one question
    header[7] = answers.length;
    const question = query.subarray(HEADER_LENGTH, end);
    return concatBytes([header, question, ...answers.map(encodeAnswer)]);
  }
}

interface Question extends DnsQuery {
  /** Where the question ends. */
  end: number;
}

function readQuestion(bytes: Uint8Array): Question {
  const labels: string[] = [];
  let at = HEADER_LENGTH;
  while (bytes[at] > 0) {
    labels.push(decoder.decode(bytes.subarray(at + 1, at + 1 + bytes[at])));
    at += 1 + bytes[at];
  }
  const type = bytes[at + 1] * 256 + bytes[at + 2];
  return { name: labels.join(".").toLowerCase(), type, end: at + 5 };
}

function encodeAnswer(record: DnsRecord): Uint8Array {
  const data = encodeData(record);
  const head = new DataView(new ArrayBuffer(12));
  head.setUint16(0, 0xc000 | HEADER_LENGTH); // the name: that of the question
  head.setUint16(2, TYPES[record.type]);
  head.setUint16(4, 1); // class IN
  head.setUint32(6, record.ttl ?? 0);
  head.setUint16(10, data.length);
  return concatBytes([new Uint8Array(head.buffer), data]);
}

function encodeData(record: DnsRecord): Uint8Array {
  if (record.type === "A") return Uint8Array.from(record.address.split("."), Number);
  const { priority = 0, weight = 0, port, target } = record;
  const head = new DataView(new ArrayBuffer(6));
  head.setUint16(0, priority);
  head.setUint16(2, weight);
  head.setUint16(4, port);
  return concatBytes([new Uint8Array(head.buffer), encodeName(target)]);
}

function encodeName(name: string): Uint8Array {
  const labels = name.split(".").filter((label) => label !== "").map((label) => {
    const bytes = encoder.encode(label);
    return concatBytes([new Uint8Array([bytes.length]), bytes]);
  });
  return concatBytes([...labels, new Uint8Array(1)]);
}
