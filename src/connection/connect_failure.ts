import type { Clock } from "../core/clock.ts";
import {
  AuthError,
  ConfigError,
  ConnectError,
  NotReadyError,
} from "../core/errors/mod.ts";
import type { FailureKind } from "../resilience/failure_kinds.ts";
import type { Endpoint } from "../transport/channel.ts";
import { isReplyError } from "./ioredis.ts";

/** Codes of error replies to a handshake that no new attempt will change. */
const AUTH_CODES: ReadonlySet<string> = new Set(["WRONGPASS", "NOAUTH", "NOPERM"]);

/** Codes of errors that mean an untrusted server certificate. */
const BAD_CERTIFICATE =
  /^(?:ERR_TLS|CERT_|UNABLE_TO_(?:VERIFY|GET_ISSUER)|SELF_SIGNED_|DEPTH_ZERO_)/;

/** The other end does not speak the expected protocol: retrying cannot help. */
export class WrongProtocolError extends Error {
  /** It is no Redis; speaks no TLS where TLS was expected; or TLS where none was. */
  readonly code: "ENOTREDIS" | "ENOTLS" | "EISTLS";

  constructor(code: WrongProtocolError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** The server refuses a step of the handshake for good: retrying cannot help. */
export class HandshakeRefused extends Error {
  /** Marks the failure as permanent. */
  readonly code = "EHANDSHAKE";
  readonly step: "hello" | "auth" | "select";

  constructor(step: HandshakeRefused["step"], message: string) {
    super(message);
    this.step = step;
  }
}

/** The socket ended before the server sent anything; the server may have said why to a
 * client that waits. */
export class ClosedBeforeReply extends Error {}

/** The server answered what may mean that it does not know HELLO, and closed. */
export class ClosedAtHello extends Error {}

/** Sends a command to a server that is connected and authenticated, and not yet in use. */
export type Query = (command: string) => Promise<unknown>;

/**
 * Checks whether a server is the intended one.
 *
 * @throws {WrongServer} If it is not: the address is resolved again.
 */
export type Confirm = (endpoint: Endpoint, query: Query) => Promise<void>;

/** The server was reached, and is not the intended one. */
export class WrongServer extends Error {}

/** Meaning of the system's error codes. */
const MEANING: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network cannot be reached",
  ENOENT: "there is no such socket",
  EPIPE: "the connection was closed by the server",
  ETIMEDOUT: "no answer",
};

/** Message of sockets of Deno about a certificate; the error has no code. */
const DENO_BAD_CERTIFICATE = "invalid peer certificate";

/** What to check, by the code and the text of a certificate's failure. */
const CERTIFICATE_HINTS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/ALTNAME|not valid for name/i, "check the host, and server_name of the TLS settings"],
  // Not UNABLE_TO_VERIFY: Deno 2.8 says that whatever the reason is.
  [
    /SELF_SIGNED|UNABLE_TO_GET_ISSUER|UnknownIssuer/,
    "its authority belongs into ca_file of the TLS settings",
  ],
];

/** Replaces the server's NOAUTH, which explains HELLO for three lines. */
const NO_PASSWORD = "NOAUTH: the server wants a password, and got none";

/** Message of sockets of Deno about an unknown host; the error has no code. */
const DENO_LOOKUP_FAILED = "failed to lookup address information: ";

/** Part of it where the name may be known later. */
const DENO_LOOKUP_LATER = "Temporary failure";

/** Whether the server refused the credentials: WRONGPASS and similar. */
export function isAuthFailure(error: unknown): boolean {
  if (error instanceof HandshakeRefused) return error.step === "auth";
  return isReplyError(error) && AUTH_CODES.has(error.message.split(" ", 1)[0]!);
}

/** Codes of node:net for a host name when a permission is missing. */
const MAYBE_DENIED: ReadonlySet<string> = new Set(["ECONNREFUSED", "EPERM", "EACCES"]);

/** The missing permission flags for an endpoint; `undefined` if all are granted. */
function missingFlags(endpoint: string): string | undefined {
  const flags: string[] = [];
  const need = (permission: Deno.PermissionDescriptor, value: string) => {
    if (isRefused(permission)) flags.push(`--allow-${permission.name}=${value}`);
  };
  need({ name: "net", host: endpoint }, endpoint);
  if (endpoint.startsWith("unix:")) {
    const path = endpoint.slice("unix:".length);
    for (const name of ["read", "write"] as const) need({ name, path }, path);
  }
  return flags.length === 0 ? undefined : flags.join(" ");
}

function isRefused(permission: Deno.PermissionDescriptor): boolean {
  try {
    return Deno.permissions.querySync(permission).state !== "granted";
  } catch {
    // Deno 2.8 has no such permission for a Unix socket; or the endpoint is the name of a
    // primary that was not found yet.
    return false;
  }
}

/** Whether a permission is missing. */
function isDenied(error: unknown, endpoint?: string): boolean {
  const { code = "" } = error as { code?: string };
  if (MAYBE_DENIED.has(code) && endpoint !== undefined && missingFlags(endpoint)) {
    return true;
  }
  // Deno before 2 called it PermissionDenied; node:net passes either on.
  return error instanceof Deno.errors.NotCapable ||
    error instanceof Deno.errors.PermissionDenied;
}

/** Whether an attempt failed because the server's certificate is not trusted. */
export function isBadCertificate(error: unknown): boolean {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  return BAD_CERTIFICATE.test(code) || message.startsWith(DENO_BAD_CERTIFICATE);
}

/**
 * Whether a new attempt would fail in the same way: credentials, permissions, a database
 * number that the server does not have, a primary that no sentinel knows, an untrusted
 * certificate, a port of something else than Redis, or a server that was loading for longer
 * than allowed.
 */
export function isPermanent(error: unknown): boolean {
  if (error instanceof AuthError || error instanceof NotReadyError) return true;
  // A missing password file, an unsupported mode.
  if (error instanceof ConfigError) return true;
  if (isDenied(error) || error instanceof WrongProtocolError) return true;
  const { code, message = "" } = error as { code?: string; message?: string };
  return code === "DENIED" || code === "ENOPRIMARY" || code === "EHANDSHAKE" ||
    isBadCertificate(error) ||
    message.includes("DB index is out of range");
}

/**
 * Whether failed attempts in a row show that the next one will fail, too: a host may be
 * unknown for a moment, but not twice in a row.
 */
export function isHopeless(causes: readonly Error[]): boolean {
  const isUnknownHost = (error: unknown) =>
    (error as { code?: string } | undefined)?.code === "ENOTFOUND";
  const last = causes.at(-1);
  return isPermanent(last) || (isUnknownHost(last) && isUnknownHost(causes.at(-2)));
}

/** Kind of a failed attempt, for the circuit breaker. */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof AuthError || error instanceof ConfigError) return "auth";
  if (error instanceof NotReadyError) return "loading";
  const { code } = error as { code?: string };
  if (code === "DENIED") return "permission";
  return code === "ETIMEDOUT" ? "timeout" : "refused";
}

/** Whether an attempt failed as its time was over. */
export function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/**
 * Explains why an attempt failed.
 *
 * @param timeoutMs Its deadline, in milliseconds.
 * @param endpoint Where it went, such as `127.0.0.1:6379`.
 * @returns An error with a message for people, without secrets.
 */
export function explainConnectFailure(
  error: unknown,
  timeoutMs: number,
  endpoint: string,
): Error {
  if (isTimeout(error)) return coded(`no answer within ${timeoutMs} ms`, "ETIMEDOUT");
  if (isDenied(error, endpoint)) {
    const flags = missingFlags(endpoint) ?? "--allow-net";
    return coded(`this process may not open it: run it with ${flags}`, "DENIED");
  }
  if (error instanceof WrongProtocolError) return error;
  const { code } = error as { code?: string };
  const message = error instanceof Error ? error.message : String(error);
  if (isReplyError(error) && message.startsWith("NOAUTH ")) {
    return coded(NO_PASSWORD, code);
  }
  const isDenoLookup = message.startsWith(DENO_LOOKUP_FAILED);
  if (isDenoLookup && message.includes(DENO_LOOKUP_LATER)) {
    return coded(message, "EAI_AGAIN");
  }
  if (isDenoLookup || (code === "ENOTFOUND" && message.startsWith("getaddrinfo "))) {
    const host = endpoint.replace(/:\d+$/, "");
    return coded(`unknown host "${host}": no name server knows it`, "ENOTFOUND");
  }
  // The system's own texts begin with its call.
  const meaning = code === undefined || isReplyError(error) ? undefined : MEANING[code];
  if (meaning !== undefined) return coded(meaning, code);
  if (!isBadCertificate(error)) return coded(message, code);
  // Node leaves its list empty where the certificate has no address at all.
  const reason = message.replace(/: *$/, "");
  const text = `${code ?? "ERR_TLS_CERT"} ${reason}`;
  const hint = CERTIFICATE_HINTS.find(([pattern]) => pattern.test(text))?.[1];
  return coded(
    hint === undefined ? reason : `${reason}; ${hint}`,
    code ?? "ERR_TLS_CERT",
  );
}

function coded(message: string, code: string | undefined): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

/** An attempt to connect that is not over. */
export interface AttemptUnderWay {
  /** Where it goes, formatted. */
  readonly endpoint: string;
  /** When it began, on the monotonic clock. */
  readonly startedAt: number;
  /** What it waits for, where the server has said so. */
  waitsFor?: string;
}

/** An attempt that takes so long, in milliseconds, is reported as the reason to wait. */
const SLOW_MS = 100;

/**
 * Why no connection to a server can be opened at the moment, for the errors of callers that
 * wait for one, and for the health. Forgotten when an attempt succeeds.
 */
export class ConnectFailures {
  readonly #database: string;
  readonly #clock: Clock;
  readonly #underWay = new Set<AttemptUnderWay>();
  #last: { readonly error: Error; readonly endpoint: string } | undefined;
  /** Number of attempts that failed in a row. */
  count = 0;
  /** When the first of them failed. */
  #since: number | undefined;

  constructor(database: string, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /**
   * Why the server cannot be reached, with the attempts since it was reached last;
   * `undefined` if nothing is wrong. Made anew each time: the numbers change.
   */
  get error(): ConnectError | undefined {
    const [oldest] = this.#underWay;
    const attempts = this.count + this.#underWay.size;
    if (oldest?.waitsFor !== undefined) {
      return this.#errorOf(oldest.endpoint, attempts, new Error(oldest.waitsFor));
    }
    if (this.#last !== undefined) {
      return this.#errorOf(this.#last.endpoint, this.count, this.#last.error);
    }
    if (oldest === undefined) return undefined;
    const waitedMs = this.#clock.now() - oldest.startedAt;
    if (waitedMs < SLOW_MS) return undefined;
    const silence = new Error(`no answer for ${Math.round(waitedMs)} ms so far`);
    return this.#errorOf(oldest.endpoint, attempts, silence);
  }

  /** Milliseconds since the first of the failures in a row; 0 if there is none. */
  get durationMs(): number {
    return this.#since === undefined ? 0 : this.#clock.now() - this.#since;
  }

  /** Error of the last attempt, if none has succeeded since. */
  get lastFailure(): Error | undefined {
    return this.#last?.error;
  }

  /** An attempt begins. */
  attemptBegins(endpoint: string): AttemptUnderWay {
    const attempt = { endpoint, startedAt: this.#clock.now() };
    this.#underWay.add(attempt);
    return attempt;
  }

  /** An attempt is over, be it without a result. */
  attemptEnds(attempt: AttemptUnderWay): void {
    this.#underWay.delete(attempt);
  }

  /** An attempt failed. */
  failed(error: Error, endpoint: string): void {
    this.count++;
    this.#since ??= this.#clock.now();
    this.#last = { error, endpoint };
  }

  /** The server was reached. */
  succeeded(): void {
    this.count = 0;
    this.#since = undefined;
    this.#last = undefined;
  }

  #errorOf(endpoint: string, attempts: number, cause: Error): ConnectError {
    const reason = cause instanceof ConnectError ? cause.reason : cause.message;
    return new ConnectError(this.#database, endpoint, reason, { attempts, cause });
  }
}
