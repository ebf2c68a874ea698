import { AuthError, ConfigError, NotReadyError } from "../core/errors/mod.ts";
import type { FailureKind } from "../resilience/failure_kinds.ts";
import { isReplyError } from "./driver.ts";
import { GreetingRefused } from "./greeting.ts";

/** First words of replies to a handshake that no new attempt will change. */
const AUTH_CODES: ReadonlySet<string> = new Set(["WRONGPASS", "NOAUTH", "NOPERM"]);

/** Codes of errors that say that the server's certificate is not to be trusted. */
const BAD_CERTIFICATE =
  /^(?:ERR_TLS|CERT_|UNABLE_TO_(?:VERIFY|GET_ISSUER)|SELF_SIGNED_|DEPTH_ZERO_)/;

/** Codes of {@linkcode WrongSpeech}: what is at the other end speaks something else. */
type SpeechCode = "ENOTREDIS" | "ENOTLS" | "EISTLS";

/** What is at the other end does not speak what was expected: no new attempt changes that. */
export class WrongSpeech extends Error {
  /** What it speaks: no Redis; no TLS, where TLS was expected; or TLS, where none was. */
  readonly code: SpeechCode;

  /**
   * Makes the error.
   *
   * @param code What it speaks.
   * @param message What was found, and what to do.
   */
  constructor(code: SpeechCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What the system's codes mean, in words. */
const MEANING: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "the network cannot be reached",
  ENOENT: "there is no such socket",
  EPIPE: "the connection was closed by the server",
  ETIMEDOUT: "no answer",
};

/** What the transport `deno` says of a certificate; it has no code. */
const DENO_BAD_CERTIFICATE = "invalid peer certificate";

/** What to look at, by the code and the text of a certificate's failure. */
const CERTIFICATE_HINTS: readonly (readonly [says: RegExp, hint: string])[] = [
  [/ALTNAME|not valid for name/i, "check the host, and server_name of the TLS settings"],
  // Not UNABLE_TO_VERIFY: Deno 2.8 says that whatever the reason is.
  [
    /SELF_SIGNED|UNABLE_TO_GET_ISSUER|UnknownIssuer/,
    "its authority belongs into ca_file of the TLS settings",
  ],
];

/** What the server's NOAUTH means to who connects; it speaks of HELLO for three lines. */
const NO_PASSWORD = "NOAUTH: the server wants a password, and got none";

/** What the transport `deno` says of a host that no name server knows; it has no code. */
const DENO_LOOKUP_FAILED = "failed to lookup address information: ";

/** What the system says of a name that may be known later. */
const DENO_LOOKUP_LATER = "Temporary failure";

/**
 * Whether the server refused the credentials.
 *
 * @param error What the handshake failed with.
 * @returns `true` for WRONGPASS and its kin.
 */
export function isAuthFailure(error: unknown): boolean {
  if (error instanceof GreetingRefused) return error.step === "auth";
  return isReplyError(error) && AUTH_CODES.has(error.message.split(" ", 1)[0]!);
}

/** What node:net may say of a host name when a permission is missing. */
const MAYBE_DENIED: ReadonlySet<string> = new Set(["ECONNREFUSED", "EPERM", "EACCES"]);

/** The flags that are missing for an endpoint; `undefined` if everything is granted. */
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
    // Deno 2.8 knows no such permission for a Unix socket; or the endpoint says in words
    // which primary was not found yet.
    return false;
  }
}

/** The runtime refused: a permission is missing. */
function isDenied(error: unknown, endpoint?: string): boolean {
  const { code = "" } = error as { code?: string };
  if (MAYBE_DENIED.has(code) && endpoint !== undefined && missingFlags(endpoint)) {
    return true;
  }
  // Deno before 2 called it PermissionDenied; node:net hands either through.
  return error instanceof Deno.errors.NotCapable ||
    error instanceof Deno.errors.PermissionDenied;
}

/**
 * Whether an attempt failed as the server's certificate is not to be trusted.
 *
 * @param error What it failed with.
 * @returns `true` if that is why.
 */
export function isBadCertificate(error: unknown): boolean {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  return BAD_CERTIFICATE.test(code) || message.startsWith(DENO_BAD_CERTIFICATE);
}

/**
 * Whether a new attempt would fail in the same way: credentials, permissions, a
 * database number that the server does not have, a primary that no sentinel knows, a
 * certificate that does not fit, a port where something else than Redis is spoken, or a
 * server that was waited for as long as is allowed.
 *
 * @param error What an attempt failed with.
 * @returns `true` if it should not be tried again.
 */
export function isPermanent(error: unknown): boolean {
  if (error instanceof AuthError || error instanceof NotReadyError) return true;
  // A password file that is gone, a mode that is not served.
  if (error instanceof ConfigError) return true;
  if (isDenied(error)) return true;
  if (error instanceof WrongSpeech) return true;
  const { code, message = "" } = error as { code?: string; message?: string };
  return code === "DENIED" || code === "ENOPRIMARY" || code === "EGREETING" ||
    isBadCertificate(error) ||
    message.includes("DB index is out of range");
}

/**
 * Whether attempts that failed one after the other show that the next one will fail, too:
 * a name may be unknown for a moment, but not twice in a row.
 *
 * @param causes What they failed with, in order.
 * @returns `true` if there should be no other attempt now.
 */
export function isHopeless(causes: readonly Error[]): boolean {
  const last = causes.at(-1);
  if (isPermanent(last)) return true;
  return isUnknownHost(last) && isUnknownHost(causes.at(-2));
}

function isUnknownHost(error: unknown): boolean {
  return (error as { code?: string } | undefined)?.code === "ENOTFOUND";
}

/**
 * What a failed attempt is to the circuit breaker.
 *
 * @param error What the attempt failed with.
 * @returns The kind of failure.
 */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof AuthError || error instanceof ConfigError) return "auth";
  if (error instanceof NotReadyError) return "loading";
  if ((error as { code?: string }).code === "DENIED") return "permission";
  if ((error as { code?: string }).code === "ETIMEDOUT") return "timeout";
  return "refused";
}

/**
 * Says why an attempt failed.
 *
 * @param error What it failed with.
 * @param timeoutMs Its deadline, in milliseconds.
 * @param endpoint Where it went, such as `127.0.0.1:6379`.
 * @returns An error with a message for people, without secrets.
 */
export function explainConnectFailure(
  error: unknown,
  timeoutMs: number,
  endpoint: string,
): Error {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return coded(`no answer within ${timeoutMs} ms`, "ETIMEDOUT");
  }
  if (isDenied(error, endpoint)) {
    const flags = missingFlags(endpoint) ?? "--allow-net";
    return coded(`this process may not open it: run it with ${flags}`, "DENIED");
  }
  if (error instanceof WrongSpeech) return error;
  const { code } = error as { code?: string };
  const message = error instanceof Error ? error.message : String(error);
  if (isReplyError(error) && message.startsWith("NOAUTH ")) {
    return coded(NO_PASSWORD, code);
  }
  if (message.startsWith(DENO_LOOKUP_FAILED)) {
    return message.includes(DENO_LOOKUP_LATER)
      ? coded(message, "EAI_AGAIN")
      : unknownHost(endpoint);
  }
  if (code === "ENOTFOUND" && message.startsWith("getaddrinfo ")) {
    return unknownHost(endpoint);
  }
  // The system's own texts begin with its call.
  const meaning = code === undefined || isReplyError(error) ? undefined : MEANING[code];
  if (meaning !== undefined) return coded(meaning, code);
  if (isBadCertificate(error)) return badCertificate(message, code ?? "ERR_TLS_CERT");
  return coded(message, code);
}

/** What is wrong with a certificate, and which of the settings of TLS decides of it. */
function badCertificate(message: string, code: string): Error {
  // Node leaves its list empty where the certificate has no address at all.
  const said = message.replace(/: *$/, "");
  const hint = CERTIFICATE_HINTS.find(([says]) => says.test(`${code} ${said}`))?.[1];
  return coded(hint === undefined ? said : `${said}; ${hint}`, code);
}

function unknownHost(endpoint: string): Error {
  const host = endpoint.replace(/:\d+$/, "");
  return coded(`unknown host "${host}": no name server knows it`, "ENOTFOUND");
}

function coded(message: string, code: string | undefined): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}
