import type { ByteChannel, ChannelOptions } from "../../src/transport/channel.ts";
import { ModelChannel, type Sent } from "./model_channel.ts";
import type { SimClock } from "./sim_clock.ts";

/** A server and the way to it, in numbers. */
export interface ServerModel {
  /** There and back on the network, in milliseconds. */
  readonly roundTripMs: number;
  /** What the main thread needs for a command, in milliseconds. */
  readonly serviceMs: number;
  /** What reading and writing a command costs, in milliseconds; divided among the
   * threads. */
  readonly ioMs: number;
  /** Threads that read and write (`io-threads`), 1 or more. */
  readonly ioThreads: number;
  /** What the main thread needs to accept a connection, in milliseconds. */
  readonly acceptMs: number;
  /** Most clients (`maxclients`). */
  readonly maxClients: number;
  /** Connections that may wait to be accepted (`tcp-backlog`); more are dropped by the
   * kernel, and tried again by the client's after 1 s, 2 s, 4 s. */
  readonly backlog: number;
}

/** A server of Redis' own defaults on a machine of its own in the same data centre. */
export const USUAL_SERVER: ServerModel = {
  roundTripMs: 0.5,
  serviceMs: 0.004,
  ioMs: 0.006,
  ioThreads: 1,
  acceptMs: 0.04,
  maxClients: 10_000,
  backlog: 511,
};

/** What the kernel of the client waits before it asks again, in milliseconds. */
const FIRST_RETRANSMIT_MS = 1000;
const REFUSED_BY_MAX = "-ERR max number of clients reached\r\n";
/** Length of a bin of the counts of connects, in milliseconds. */
export const BIN_MS = 100;

/** What a server has counted. */
export interface ServerCounts {
  /** Connections that were asked for: what arrived, refused and dropped ones too. */
  connects: number;
  /** Those that the server took. */
  accepted: number;
  /** Those that were refused as there were `maxclients` already. */
  refused: number;
  /** Those that the kernel dropped, as too many waited to be accepted. */
  dropped: number;
  /** Commands answered. */
  commands: number;
  /** Commands of callers that arrived, retries among them. */
  calls: number;
  /** Most clients at a time. */
  peakClients: number;
}

/**
 * A Redis server on simulated time: one main thread that accepts and serves in the order
 * of arrival, threads that share the reading and writing, a limit of clients, a backlog,
 * and a network of constant latency, so that what is sent first arrives first.
 */
export class ModelServer {
  readonly #clock: SimClock;
  readonly #model: ServerModel;
  readonly #channels = new Set<ModelChannel>();
  /** When the connections in the backlog will have been accepted. */
  #accepting: number[] = [];
  #busyUntil = 0;
  #isUp = true;
  readonly counts: ServerCounts = {
    connects: 0,
    accepted: 0,
    refused: 0,
    dropped: 0,
    commands: 0,
    calls: 0,
    peakClients: 0,
  };
  /** Connects that arrived, by bins of {@linkcode BIN_MS}. */
  readonly connectBins: number[] = [];
  /** Callers' commands that arrived, by the same bins. */
  readonly callBins: number[] = [];
  /** Whether each connection is cut at its first command after the handshake. */
  hangsUp = false;

  /**
   * Starts a server.
   *
   * @param clock The time of the simulation.
   * @param model Its numbers.
   */
  constructor(clock: SimClock, model: ServerModel) {
    this.#clock = clock;
    this.#model = model;
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#channels.size;
  }

  /** Ends every connection, and refuses new ones. */
  stop(): void {
    this.#isUp = false;
    this.#accepting = [];
    this.cut();
  }

  /** Ends every connection. */
  cut(): void {
    for (const channel of this.#channels) channel.lose();
    this.#channels.clear();
  }

  /** Serves again. */
  start(): void {
    this.#isUp = true;
    this.#busyUntil = this.#clock.now();
  }

  /** Opens a connection, as the transport would. */
  readonly openChannel = (
    _endpoint: unknown,
    { signal }: ChannelOptions,
  ): Promise<ByteChannel> => {
    const { promise, resolve, reject } = Promise.withResolvers<ByteChannel>();
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    const settle = (channel: ByteChannel | Error) => {
      signal.removeEventListener("abort", abort);
      if (channel instanceof Error) reject(channel);
      else resolve(channel);
    };
    this.#later(() => this.#arrive(signal, settle, FIRST_RETRANSMIT_MS));
    return promise;
  };

  /**
   * Takes commands off a channel.
   *
   * @param channel The channel.
   * @param sent The commands.
   * @param answered Called half a round trip after they have been served.
   */
  serve(channel: ModelChannel, { calls, count }: Sent, answered: () => void): void {
    const { ioMs, ioThreads, serviceMs } = this.#model;
    // The latency is the same for all: the order of sending is the order of arrival.
    const arrival = this.#clock.now() + this.#model.roundTripMs / 2;
    if (calls > 0) {
      this.counts.calls += calls;
      addToBin(this.callBins, arrival, calls);
      if (this.hangsUp) return this.#later(() => this.#hangUp(channel));
    }
    const cost = count * (serviceMs + ioMs / ioThreads);
    const end = this.#busy(arrival, cost) + this.#model.roundTripMs / 2;
    this.#clock.setTimer(() => {
      this.counts.commands += count;
      answered();
    }, end - this.#clock.now());
  }

  /**
   * A client has hung up.
   *
   * @param channel Its channel.
   */
  hungUp(channel: ModelChannel): void {
    this.#later(() => void this.#channels.delete(channel));
  }

  #hangUp(channel: ModelChannel): void {
    this.#channels.delete(channel);
    this.#later(() => channel.lose());
  }

  /** Works for so long, when it comes to it; returns when it will have. */
  #busy(from: number, ms: number): number {
    this.#busyUntil = Math.max(this.#busyUntil, from) + ms;
    return this.#busyUntil;
  }

  /** Half a round trip later. */
  #later(fn: () => void): void {
    this.#clock.setTimer(fn, this.#model.roundTripMs / 2);
  }

  /** The wish to connect has arrived. */
  #arrive(
    signal: AbortSignal,
    settle: (channel: ByteChannel | Error) => void,
    patienceMs: number,
  ): void {
    if (signal.aborted) return;
    const now = this.#clock.now();
    this.counts.connects++;
    addToBin(this.connectBins, now, 1);
    if (!this.#isUp) {
      const error = new Error("connection refused");
      return this.#later(() => settle(Object.assign(error, { code: "ECONNREFUSED" })));
    }
    while (this.#accepting.length > 0 && this.#accepting[0]! <= now) {
      this.#accepting.shift();
    }
    if (this.#accepting.length >= this.#model.backlog) {
      this.counts.dropped++;
      const again = () => this.#arrive(signal, settle, 2 * patienceMs);
      this.#clock.setTimer(again, patienceMs);
      return;
    }
    const channel = new ModelChannel(this);
    const acceptedAt = this.#busy(now, this.#model.acceptMs);
    this.#accepting.push(acceptedAt);
    // The kernel answers before the server has accepted.
    this.#later(() => settle(channel));
    this.#clock.setTimer(() => this.#accept(channel), acceptedAt - now);
  }

  #accept(channel: ModelChannel): void {
    if (!this.#isUp || channel.ended) return channel.lose();
    if (this.#channels.size >= this.#model.maxClients) {
      this.counts.refused++;
      return this.#later(() => channel.refuse(REFUSED_BY_MAX));
    }
    this.counts.accepted++;
    this.#channels.add(channel);
    this.counts.peakClients = Math.max(this.counts.peakClients, this.#channels.size);
    channel.accepted();
  }
}

function addToBin(bins: number[], at: number, count: number): void {
  const bin = Math.floor(at / BIN_MS);
  while (bins.length <= bin) bins.push(0);
  bins[bin]! += count;
}
