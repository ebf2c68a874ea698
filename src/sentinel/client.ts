import { deadline } from "@std/async/deadline";
import type { NodeAddress } from "../config/settings.ts";
import { explainConnectFailure, isAuthFailure } from "../connection/connect_failure.ts";
import type { Connection } from "../connection/connection.ts";
import { type HandshakeOptions, performHandshake } from "../connection/handshake.ts";
import { Command } from "../connection/ioredis.ts";
import { type QueryResult, track } from "../connection/pending_command.ts";
import { formatAddress } from "../core/address.ts";

/** Why a sentinel could not be used; the message leaves out its address. */
export class SentinelError extends Error {
  readonly kind: "unreachable" | "denied" | "auth" | "unknown name" | "stale";

  constructor(kind: SentinelError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Every sentinel announces here that another server is the primary. */
const SWITCHED = "+switch-master";
/** The sentinel that leads a failover announces here that the replica has become the
 * primary: a second or more before it announces the switch. */
const PROMOTED = "+promoted-slave";
/** It announces here which replica it is about to promote. */
const SELECTED = "+selected-slave";

/** What a sentinel announces about failovers. */
interface FailoverEvents {
  /** A replica is about to be promoted. */
  readonly selected: (address: NodeAddress) => void;
  /** Another server is the primary. */
  readonly switched: (address: NodeAddress) => void;
}

/** A connection to one sentinel. */
export class SentinelClient {
  readonly connection: Connection;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;

  private constructor(connection: Connection, timeoutMs: number, signal: AbortSignal) {
    this.connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    const end = () => this.close();
    signal.addEventListener("abort", end, { once: true });
    connection.onEnd(() => signal.removeEventListener("abort", end));
    if (signal.aborted) end();
  }

  /**
   * Connects to a sentinel.
   *
   * @param timeoutMs Deadline of connecting, and of each command afterwards.
   * @param signal Closes the connection, now or later.
   * @throws {SentinelError} If it cannot be connected to.
   */
  static async open(
    options: HandshakeOptions,
    address: NodeAddress,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<SentinelClient> {
    const stop = new AbortController();
    const within = AbortSignal.any([signal, stop.signal]);
    const name = `mooring:${options.database}:sentinel`;
    try {
      const endpoint = address;
      const opening = performHandshake(options, endpoint, name, within);
      const link = await deadline(opening, timeoutMs, { signal });
      return new SentinelClient(link.connect(), timeoutMs, signal);
    } catch (error) {
      stop.abort(error);
      signal.throwIfAborted();
      const where = formatAddress(address);
      const explained = explainConnectFailure(error, timeoutMs, where);
      const isDenied = (explained as { code?: string }).code === "DENIED";
      const kind = isAuthFailure(error) ? "auth" : isDenied ? "denied" : "unreachable";
      throw new SentinelError(kind, explained.message);
    }
  }

  /**
   * Asks for the address of the primary.
   *
   * @throws {SentinelError} If the sentinel does not answer, or does not know the name.
   */
  async primary(name: string): Promise<NodeAddress> {
    const found = readPrimary(await this.#call("get-master-addr-by-name", name));
    if (found !== undefined) return found;
    throw new SentinelError("unknown name", `it knows no primary "${name}"`);
  }

  /**
   * Asks for the number of the last failover; `undefined` if the user may not ask, or the
   * sentinel does not report it.
   *
   * @throws {SentinelError} If the sentinel does not answer.
   */
  async epoch(name: string): Promise<number | undefined> {
    const answer = await this.#query("master", name);
    return "error" in answer ? undefined : readEpoch(answer.reply);
  }

  /**
   * Asks for the other sentinels of the primary.
   *
   * @throws {SentinelError} If the sentinel does not answer.
   */
  async others(name: string): Promise<NodeAddress[]> {
    return readSentinels(await this.#call("sentinels", name));
  }

  /**
   * Asks for the replicas of the primary.
   *
   * @throws {SentinelError} If the sentinel does not answer.
   */
  async replicas(name: string): Promise<NodeAddress[]> {
    return readSentinels(await this.#call("replicas", name));
  }

  /**
   * Subscribes to the announcements about failovers of a primary.
   *
   * @throws {SentinelError} If the subscription fails.
   */
  async listen(name: string, events: FailoverEvents): Promise<void> {
    this.connection.redis.on("message", (channel: string, message: string) => {
      const read = channel === SWITCHED ? readSwitch : readReplica;
      const address = read(message, name);
      if (address === undefined) return;
      try {
        if (channel === SELECTED) events.selected(address);
        else events.switched(address);
      } catch {
        // The user's address map: whoever asks for the primary next gets its error.
      }
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const owner = {
      replied: () => resolve(),
      failed: (_command: unknown, error: Error) =>
        reject(new SentinelError("unreachable", error.message)),
    };
    const command = new Command("subscribe", [SWITCHED, PROMOTED, SELECTED]);
    this.connection.send(track(command, owner, this.#timeoutMs));
    await promise;
  }

  close(): void {
    this.connection.close({ kind: "closed", text: "the sentinel is not needed" });
  }

  async #query(subcommand: string, name: string): Promise<QueryResult> {
    const timeoutMs = this.#timeoutMs;
    const answer = await this.connection.query(timeoutMs, "sentinel", subcommand, name);
    if (answer !== undefined) return answer;
    this.#signal.throwIfAborted();
    throw new SentinelError("unreachable", `no answer within ${timeoutMs} ms`);
  }

  async #call(subcommand: string, name: string): Promise<unknown> {
    const answer = await this.#query(subcommand, name);
    if (!("error" in answer)) return answer.reply;
    const kind = isAuthFailure(answer.error) ? "auth" : "unreachable";
    throw new SentinelError(kind, answer.error.message);
  }
}

const decoder = new TextDecoder();

/** A bulk string of a reply as text; anything else as the empty text. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? decoder.decode(value) : "";
}

function addressOf(host: string, port: string): NodeAddress | undefined {
  const number = /^[0-9]{1,5}$/.test(port) ? Number(port) : 0;
  const isAddress = host !== "" && !/\s/.test(host) && number > 0 && number <= 65_535;
  return isAddress ? { host, port: number } : undefined;
}

/** Reads a flat list of names and values. */
function fieldsOf(list: readonly unknown[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < list.length; i += 2) {
    fields.set(textOf(list[i]), textOf(list[i + 1]));
  }
  return fields;
}

/** Reads the reply to `SENTINEL GET-MASTER-ADDR-BY-NAME`; `undefined` if the sentinel does
 * not know the name. */
export function readPrimary(reply: unknown): NodeAddress | undefined {
  if (!Array.isArray(reply)) return undefined;
  return addressOf(textOf(reply[0]), textOf(reply[1]));
}

/** Reads the addresses out of the reply to `SENTINEL SENTINELS` or `SENTINEL REPLICAS`. */
export function readSentinels(reply: unknown): NodeAddress[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((item) => {
    if (!Array.isArray(item)) return [];
    const fields = fieldsOf(item);
    return addressOf(fields.get("ip") ?? "", fields.get("port") ?? "") ?? [];
  });
}

/** Reads the `config-epoch` out of the reply to `SENTINEL MASTER`. */
export function readEpoch(reply: unknown): number | undefined {
  if (!Array.isArray(reply)) return undefined;
  const text = fieldsOf(reply).get("config-epoch") ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Reads the new address out of a message on `+switch-master`: `NAME OLDHOST OLDPORT HOST
 * PORT`; `undefined` if it is about another primary. */
export function readSwitch(message: string, name: string): NodeAddress | undefined {
  const [what, _oldHost, _oldPort, host = "", port = ""] = message.split(" ");
  return what === name ? addressOf(host, port) : undefined;
}

/** Reads the address of the replica out of a message such as one on `+promoted-slave`:
 * `slave NAME HOST PORT @ PRIMARY HOST PORT`; `undefined` if it is about another primary. */
function readReplica(message: string, name: string): NodeAddress | undefined {
  const [kind, , host = "", port = "", at, what] = message.split(" ");
  const isMeant = kind === "slave" && at === "@" && what === name;
  return isMeant ? addressOf(host, port) : undefined;
}

/** Reads the reply to `ROLE`: `master`, `slave`, `sentinel`, or the empty text. */
export function readRole(reply: unknown): string {
  return Array.isArray(reply) ? textOf(reply[0]) : "";
}
