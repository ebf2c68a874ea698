/**
 * Finds out what is spoken at a port where Redis was expected, so that the error can say
 * what to change.
 *
 * @module
 */
import type { Address } from "../core/address.ts";
import type { OpenChannel } from "../transport/channel.ts";
import { isBadCertificate, WrongSpeech } from "./connect_failure.ts";
import { firstLine } from "./overhear.ts";

/** First bytes of the replies that Redis knows. */
const REPLY_TYPES: ReadonlySet<string> = new Set("+-:$*_#,(!=%~>|");
/** First byte of an alert of TLS, and of a handshake. */
const TLS_RECORDS: ReadonlySet<number> = new Set([0x15, 0x16]);
/** Most characters of a stranger's first line that are told. */
const MOST_TOLD = 60;

const USE_TLS =
  "the server speaks TLS, and this client does not: use a rediss:// URL, or tls.enabled";
const USE_NO_TLS =
  "the server speaks no TLS: use a redis:// URL, or tls.enabled: false, or its TLS port";

/** What ends an attempt to speak TLS with something that speaks another protocol. */
const NO_TLS = /wrong version number|InvalidContentType|corrupt message|packet length/i;

/**
 * Judges the first bytes that came from a server.
 *
 * @param head The bytes; at least one.
 * @returns What is wrong with them; `undefined` if a reply may begin so.
 */
export function judgeFirstBytes(head: Uint8Array): WrongSpeech | undefined {
  if (TLS_RECORDS.has(head[0]!)) return new WrongSpeech("EISTLS", USE_TLS);
  const [line] = new TextDecoder().decode(head).split(/[\r\n]/, 1);
  return judgeFirstLine(line!);
}

function judgeFirstLine(line: string): WrongSpeech | undefined {
  if (line === "" || REPLY_TYPES.has(line[0]!)) return undefined;
  const told = line.replace(/[^\x20-\x7e]/g, "?").slice(0, MOST_TOLD);
  const what = line.startsWith("HTTP/") ? "an HTTP server" : "something else";
  return new WrongSpeech(
    "ENOTREDIS",
    `not a Redis server but ${what}: it answered "${told}"; check host and port`,
  );
}

/**
 * Whether an attempt to speak TLS ended because the other side speaks something else.
 *
 * @param error What it ended with.
 * @returns `true` if that is what it says.
 */
export function isNoTls(error: unknown): boolean {
  return error instanceof Error && NO_TLS.test(error.message);
}

/**
 * Asks a server without TLS that TLS had been spoken to. Sends no credentials.
 *
 * @param endpoint The server.
 * @param open Opens the channel.
 * @param signal Ends it.
 * @returns What is spoken there, if it answers; `undefined` if it does not.
 */
export async function askWithoutTls(
  endpoint: Address,
  open: OpenChannel,
  signal: AbortSignal,
): Promise<WrongSpeech | undefined> {
  try {
    const channel = await open(endpoint, { signal });
    const { text } = await firstLine(channel, signal, "PING\r\n");
    // A server of TLS answers in records of TLS, or closes.
    if (text.startsWith("+") || text.startsWith("-")) {
      return new WrongSpeech("ENOTLS", USE_NO_TLS);
    }
    return text.startsWith("HTTP/") ? judgeFirstLine(text) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Begins to speak TLS with a server that closed as it was spoken to without.
 *
 * @param endpoint The server.
 * @param open Opens the channel.
 * @param signal Ends it.
 * @returns An error if TLS is spoken there; `undefined` if that is not known.
 */
export async function askWithTls(
  endpoint: Address,
  open: OpenChannel,
  signal: AbortSignal,
): Promise<WrongSpeech | undefined> {
  try {
    (await open(endpoint, { signal, tls: { verify: true } })).destroy();
  } catch (error) {
    // A certificate that is not trusted is one all the same.
    if (!isBadCertificate(error)) return undefined;
  }
  return new WrongSpeech("EISTLS", USE_TLS);
}
