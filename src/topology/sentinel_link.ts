import { deadline } from "@std/async/deadline";
import { explainConnectFailure, isAuthFailure } from "../connection/connect_failure.ts";
import type { Answer, Connection } from "../connection/connection.ts";
import { Command } from "../connection/driver.ts";
import { type HandshakeOptions, shakeHands } from "../connection/handshake.ts";
import { track } from "../connection/tracked.ts";
import { formatAddress, type TcpAddress } from "../core/address.ts";
import {
  readEpoch,
  readPrimary,
  readReplica,
  readSentinels,
  readSwitch,
} from "./sentinel_replies.ts";

/** Why a sentinel was of no use. */
export class SentinelFailure extends Error {
  /** What kind of failure. */
  readonly kind: "unreachable" | "denied" | "auth" | "unknown name" | "behind";

  /**
   * Notes a failure.
   *
   * @param kind What kind.
   * @param message In words, without the sentinel's address.
   */
  constructor(kind: SentinelFailure["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Channel on which every sentinel says that it takes another server for the primary. */
const SWITCHED = "+switch-master";
/** Channel on which the sentinel that leads a failover says that it has seen the new primary
 * be one: a second or more before it sends the other. */
const PROMOTED = "+promoted-slave";
/** Channel on which it says which replica it is about to promote. */
const SELECTED = "+selected-slave";

/** What a sentinel tells of failovers. */
export interface FailoverEvents {
  /** A replica is about to be promoted. */
  readonly selected: (address: TcpAddress) => void;
  /** The primary is another server now. */
  readonly switched: (address: TcpAddress) => void;
}

/** A connection to one sentinel, over the same layers as every other. */
export class SentinelLink {
  readonly #connection: Connection;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;

  private constructor(connection: Connection, timeoutMs: number, signal: AbortSignal) {
    this.#connection = connection;
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
   * @param options Credentials, TLS and such of sentinels.
   * @param address Where it listens.
   * @param timeoutMs How long it may take, and each question afterwards, in milliseconds.
   * @param signal Ends it, now or later.
   * @returns The link; close it.
   * @throws {SentinelFailure} If it cannot be spoken to.
   */
  static async open(
    options: HandshakeOptions,
    address: TcpAddress,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<SentinelLink> {
    const stop = new AbortController();
    const within = AbortSignal.any([signal, stop.signal]);
    const name = `mooring:${options.database}:sentinel`;
    try {
      const endpoint = address;
      const opening = shakeHands(options, endpoint, name, within);
      const link = await deadline(opening, timeoutMs, { signal });
      return new SentinelLink(link.connect(), timeoutMs, signal);
    } catch (error) {
      stop.abort(error);
      signal.throwIfAborted();
      const where = formatAddress(address);
      const explained = explainConnectFailure(error, timeoutMs, where);
      const isDenied = (explained as { code?: string }).code === "DENIED";
      const kind = isAuthFailure(error) ? "auth" : isDenied ? "denied" : "unreachable";
      throw new SentinelFailure(kind, explained.message);
    }
  }

  /** The connection. */
  get connection(): Connection {
    return this.#connection;
  }

  /**
   * Asks where the primary is.
   *
   * @param name What the sentinels call it.
   * @returns Its address.
   * @throws {SentinelFailure} If it does not answer, or does not know the name.
   */
  async primary(name: string): Promise<TcpAddress> {
    const found = readPrimary(await this.#ask("get-master-addr-by-name", name));
    if (found !== undefined) return found;
    throw new SentinelFailure("unknown name", `it knows no primary "${name}"`);
  }

  /**
   * Asks which failover it knows of: each has a greater number than the one before.
   *
   * @param name What the sentinels call the primary.
   * @returns The number; `undefined` if its user may not ask, or it does not tell.
   * @throws {SentinelFailure} If it does not answer.
   */
  async epoch(name: string): Promise<number | undefined> {
    const answer = await this.#query("master", name);
    return "error" in answer ? undefined : readEpoch(answer.reply);
  }

  /**
   * Asks which other sentinels watch the primary.
   *
   * @param name What the sentinels call it.
   * @returns Their addresses.
   * @throws {SentinelFailure} If it does not answer.
   */
  async others(name: string): Promise<TcpAddress[]> {
    return readSentinels(await this.#ask("sentinels", name));
  }

  /**
   * Listens to failovers from now on.
   *
   * @param name What the sentinels call the primary.
   * @param events Told what the sentinel says.
   * @throws {SentinelFailure} If it does not let itself be listened to.
   */
  async listen(
    name: string,
    events: FailoverEvents,
  ): Promise<void> {
    this.#connection.redis.on("message", (channel: string, message: string) => {
      const read = channel === SWITCHED ? readSwitch : readReplica;
      const address = read(message, name);
      if (address === undefined) return;
      if (channel === SELECTED) events.selected(address);
      else events.switched(address);
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const owner = {
      replied: () => resolve(),
      failed: (_command: unknown, error: Error) =>
        reject(new SentinelFailure("unreachable", error.message)),
    };
    const command = new Command("subscribe", [SWITCHED, PROMOTED, SELECTED]);
    this.#connection.send(track(command, owner, this.#timeoutMs));
    await promise;
  }

  /** Ends it. */
  close(): void {
    this.#connection.close({ kind: "closed", text: "the sentinel is not needed" });
  }

  async #query(subcommand: string, name: string): Promise<Answer> {
    const timeoutMs = this.#timeoutMs;
    const answer = await this.#connection.query(timeoutMs, "sentinel", subcommand, name);
    if (answer !== undefined) return answer;
    this.#signal.throwIfAborted();
    throw new SentinelFailure("unreachable", `no answer within ${timeoutMs} ms`);
  }

  async #ask(subcommand: string, name: string): Promise<unknown> {
    const answer = await this.#query(subcommand, name);
    if (!("error" in answer)) return answer.reply;
    const kind = isAuthFailure(answer.error) ? "auth" : "unreachable";
    throw new SentinelFailure(kind, answer.error.message);
  }
}
