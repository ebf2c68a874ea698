/**
 * Detects what is spoken at a port where Redis was expected, so that the error can say what
 * to change.
 *
 * @module
 */
import type { Address } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import type { ByteChannel, OpenChannel, TlsMaterial } from "../transport/channel.ts";
import { isBadCertificate, WrongProtocolError } from "./connect_failure.ts";

/** First bytes of the replies of Redis. */
const REPLY_TYPES: ReadonlySet<string> = new Set("+-:$*_#,(!=%~>|");
/** First byte of an alert of TLS, and of a handshake. */
const TLS_RECORDS: ReadonlySet<number> = new Set([0x15, 0x16]);
/** Most characters of an unknown server's first line that are quoted. */
const MAX_QUOTED = 60;

const USE_TLS =
  "the server speaks TLS, and this client does not: use a rediss:// URL, or tls.enabled";
const USE_NO_TLS =
  "the server speaks no TLS: use a redis:// URL, or tls.enabled: false, or its TLS port";

/** Messages of a TLS handshake with something that speaks another protocol. */
const NO_TLS = /wrong version number|InvalidContentType|corrupt message|packet length/i;

/** Detects a wrong protocol by the first bytes of a server; `undefined` if a reply may begin
 * so. */
export function detectProtocol(head: Uint8Array): WrongProtocolError | undefined {
  if (TLS_RECORDS.has(head[0]!)) return new WrongProtocolError("EISTLS", USE_TLS);
  const [line] = new TextDecoder().decode(head).split(/[\r\n]/, 1);
  if (line === undefined || line === "" || REPLY_TYPES.has(line[0]!)) return undefined;
  return notRedis(line);
}

function notRedis(line: string): WrongProtocolError {
  const quoted = line.replace(/[^\x20-\x7e]/g, "?").slice(0, MAX_QUOTED);
  const what = line.startsWith("HTTP/") ? "an HTTP server" : "something else";
  return new WrongProtocolError(
    "ENOTREDIS",
    `not a Redis server but ${what}: it answered "${quoted}"; check host and port`,
  );
}

/** Whether a TLS handshake failed because the other side does not speak TLS. */
export function isTlsMismatch(error: unknown): boolean {
  return error instanceof Error && NO_TLS.test(error.message);
}

/** Most bytes of a first line that are read. */
const MAX_LINE_BYTES = 512;

/**
 * Reads the first line that a server sends, and closes the channel.
 *
 * @param channel An open channel, not started.
 * @param request What is sent first. Default: nothing.
 * @returns The line, or what there was of it when the signal was aborted.
 */
function readFirstLine(
  channel: ByteChannel,
  signal: AbortSignal,
  request = "",
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const decoder = new TextDecoder();
  const finish = () => {
    signal.removeEventListener("abort", finish);
    channel.destroy();
    resolve(text.split(/[\r\n]/, 1)[0]!);
  };
  signal.addEventListener("abort", finish, { once: true });
  channel.start({
    data: (chunk) => {
      text += decoder.decode(chunk.subarray(0, MAX_LINE_BYTES), { stream: true });
      if (text.includes("\n") || text.length >= MAX_LINE_BYTES) finish();
    },
    close: finish,
  });
  if (signal.aborted) finish();
  else if (request !== "") channel.write(request);
  return promise;
}

/** How long a server that closed connections without a reply is listened to, once it is
 * connected to, in milliseconds. */
const LISTEN_MS = 250;
/** The time for one look at a server, as a share of the deadline of an attempt: on a busy
 * machine a connection or a TLS handshake may take a second and more. */
const LOOK_SHARE = 0.5;
/** Least time between two inspections, in milliseconds: attempts meanwhile share one. */
const INSPECT_EVERY_MS = 1000;

/** What was found out about a server whose connections end without a reply. */
interface Inspection {
  readonly at: number;
  /** Why attempts fail, if the server says so. */
  readonly reason: Promise<Error | undefined>;
  /** An error if it speaks TLS where none was expected; asked only where all else fails. */
  speaksTls: Promise<Error | undefined> | undefined;
  /** Whether an attempt was repeated without HELLO. */
  isRepeated: boolean;
}

/** What is needed to inspect a server. */
interface InspectorOptions {
  readonly clock: Clock;
  /** Deadline of an attempt to connect, in milliseconds. */
  readonly connectTimeoutMs: number;
  readonly openChannel: OpenChannel;
  readonly tls?: (signal: AbortSignal) => Promise<TlsMaterial>;
}

/** Inspects a server whose connections end without a reply, by connections of its own. */
export class ServerInspector {
  readonly #options: InspectorOptions;
  #last: Inspection | undefined;
  /** What is under way, with connections of its own. */
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(options: InspectorOptions) {
    this.#options = options;
  }

  /** Ends what is under way, and resolves when nothing is left. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("closed by the manager"));
    await Promise.allSettled(this.#running);
  }

  /** Inspects a server; attempts within a second share the result. */
  inspect(endpoint: Address): Inspection {
    const at = this.#options.clock.now();
    if (this.#last !== undefined && at - this.#last.at < INSPECT_EVERY_MS) {
      return this.#last;
    }
    const reason = this.#within(
      this.#lookMs,
      async (signal) =>
        await this.#probeWithoutTls(endpoint, signal) ??
          await this.#readRejection(endpoint, signal),
    );
    return this.#last = { at, reason, speaksTls: undefined, isRepeated: false };
  }

  /** Asks without TLS a server that was spoken to with TLS. Sends no credentials. */
  async #probeWithoutTls(
    endpoint: Address,
    signal: AbortSignal,
  ): Promise<Error | undefined> {
    const { openChannel, tls } = this.#options;
    if (tls === undefined) return undefined;
    try {
      const channel = await openChannel(endpoint, { signal });
      const line = await readFirstLine(channel, signal, "PING\r\n");
      // A server of TLS answers in records of TLS, or closes.
      if (/^[+-]/.test(line)) return new WrongProtocolError("ENOTLS", USE_NO_TLS);
      return line.startsWith("HTTP/") ? notRedis(line) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Reads why a server rejects clients, from what it sends to one that stays silent: a
   * client that sends at once gets a reset in place of the text. */
  async #readRejection(
    endpoint: Address,
    signal: AbortSignal,
  ): Promise<Error | undefined> {
    const { openChannel, tls } = this.#options;
    try {
      const channel = await openChannel(endpoint, { signal, tls: await tls?.(signal) });
      const line = await this.#within(
        LISTEN_MS,
        (listening) => readFirstLine(channel, AbortSignal.any([signal, listening])),
      );
      return line.startsWith("-") ? new Error(line.slice(1)) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether a server that closed as it was spoken to without TLS speaks TLS. Returns the
   * error if it does. */
  async probeTls(inspection: Inspection, endpoint: Address): Promise<Error | undefined> {
    const { openChannel, tls } = this.#options;
    if (tls !== undefined) return undefined;
    return await (inspection.speaksTls ??= this.#within(this.#lookMs, async (signal) => {
      try {
        (await openChannel(endpoint, { signal, tls: { verify: true } })).destroy();
      } catch (error) {
        // An untrusted certificate is a certificate all the same.
        if (!isBadCertificate(error)) return undefined;
      }
      return new WrongProtocolError("EISTLS", USE_TLS);
    }));
  }

  get #lookMs(): number {
    return this.#options.connectTimeoutMs * LOOK_SHARE;
  }

  async #within<T>(ms: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const timer = this.#options.clock.setTimer(() => stop.abort(), ms);
    const running = run(AbortSignal.any([stop.signal, this.#closing.signal]));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      timer.cancel();
      this.#running.delete(running);
    }
  }
}
