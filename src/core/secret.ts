import { ConfigError } from "./errors/base.ts";

/**
 * What a provider may give in place of a bare password: with an expiry, the connections
 * that are open are authenticated anew before it.
 *
 * @example Usage
 * ```ts
 * import type { Credentials } from "@mooring/redis";
 *
 * const issue = (): Credentials => ({
 *   username: "app",
 *   password: crypto.randomUUID(),
 *   expiresAt: Date.now() + 15 * 60_000,
 * });
 * ```
 */
export interface Credentials {
  /** The password or token. */
  readonly password: string;
  /** ACL user. Default: the database's `username`. */
  readonly username?: string | undefined;
  /**
   * When the password ceases to be good: a date, or milliseconds since the Unix epoch
   * (not seconds). Default: never.
   */
  readonly expiresAt?: Date | number | undefined;
}

/** Credentials with an expiry, which is infinite where none is known. */
export type GivenCredentials = Credentials & { readonly expiresAt: number };

/** What a provider may give: a password, or one with its user and its expiry. */

/**
 * Gives a secret when it is asked for, such as a token that is rotated. Where it gives
 * {@linkcode Credentials} with an expiry, it is asked again before that.
 */
export type SecretProvider = () =>
  | string
  | Secret
  | Credentials
  | Promise<string | Secret | Credentials>;

const MASK = "***";

/**
 * Wraps a password (or a function that gives the current one) so that it never
 * appears in an error, a log, a statistic or `console.log` of what holds it.
 *
 * @example Usage
 * ```ts
 * import { Secret } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const secret = new Secret("s3cret");
 * assertEquals(`${secret}`, "***");
 * assertEquals(JSON.stringify({ secret }), '{"secret":"***"}');
 * assertEquals(await secret.reveal(), "s3cret");
 * ```
 */
export class Secret {
  readonly #source: string | SecretProvider;

  /**
   * Wraps a secret.
   *
   * @param source The secret itself, or a function that gives the current one; the
   * function is asked again for each new connection.
   */
  constructor(source: string | SecretProvider) {
    this.#source = source;
  }

  /** Whether the secret is asked from a function each time. */
  get isProvided(): boolean {
    return typeof this.#source === "function";
  }

  /**
   * Gives the secret itself.
   *
   * @returns The secret; for a provider, what it answers now.
   * @throws {ConfigError} If the provider gives neither a text nor credentials.
   */
  async reveal(): Promise<string> {
    return (await this.credentials()).password;
  }

  /**
   * Gives the secret itself, with what else a provider says of it.
   *
   * @returns Password, user if the provider names one, and expiry in milliseconds since
   * the Unix epoch; infinite where none is known.
   * @throws {ConfigError} If the provider gives neither a text nor credentials.
   */
  async credentials(): Promise<Credentials & { readonly expiresAt: number }> {
    if (typeof this.#source === "string") return readCredentials(this.#source);
    const found = await this.#source();
    return found instanceof Secret ? await found.credentials() : readCredentials(found);
  }

  /**
   * Whether two secrets are the same text; providers are equal only to themselves.
   *
   * @param other The secret to compare with.
   * @returns `true` if they are the same.
   */
  equals(other: Secret | undefined): boolean {
    return other !== undefined && this.#source === other.#source;
  }

  /**
   * The mask, never the secret.
   *
   * @returns `***`.
   */
  toString(): string {
    return MASK;
  }

  /**
   * The mask, never the secret.
   *
   * @returns `***`.
   */
  toJSON(): string {
    return MASK;
  }

  /**
   * What `console.log` and `Deno.inspect` show: the mask.
   *
   * @returns `Secret(***)`.
   */
  [Symbol.for("Deno.customInspect")](): string {
    return `Secret(${MASK})`;
  }

  /**
   * What `util.inspect` shows: the mask.
   *
   * @returns `Secret(***)`.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Secret(${MASK})`;
  }
}

const ALLOWED = "allowed: a text or { password, username, expiresAt }";

/** Checks what a provider gave; an error names its type only. */
function readCredentials(found: unknown): GivenCredentials {
  if (typeof found === "string") return { password: found, expiresAt: Infinity };
  if (typeof found !== "object" || found === null || Array.isArray(found)) {
    refuse(`found ${typeName(found)}, ${ALLOWED}`);
  }
  const { password, username, expiresAt } = found as Record<string, unknown>;
  if (typeof password !== "string") {
    refuse(`password: found ${typeName(password)}, allowed: a text`);
  }
  if (username !== undefined && typeof username !== "string") {
    refuse(`username: found ${typeName(username)}, allowed: a text`);
  }
  return {
    password,
    ...(username === undefined ? {} : { username }),
    expiresAt: readExpiry(expiresAt),
  };
}

function readExpiry(found: unknown): number {
  if (found === undefined) return Infinity;
  const ms = found instanceof Date ? found.getTime() : found;
  if (typeof ms === "number" && !Number.isNaN(ms)) return ms;
  const what = found instanceof Date
    ? "an invalid date"
    : typeof found === "number"
    ? "NaN"
    : typeName(found);
  refuse(
    `expiresAt: found ${what}, allowed: a date or milliseconds since the Unix epoch`,
  );
}

/** The type of what a provider gives; never the value. */
function typeName(found: unknown): string {
  if (found === undefined || found === null) return String(found);
  if (Array.isArray(found)) return "a list";
  return typeof found === "object" ? "an object" : `a ${typeof found}`;
}

function refuse(message: string): never {
  throw new ConfigError([
    { origin: "the provider of the password", key: "password", message },
  ]);
}

/** User and password of a URL. */
const USER_INFO = /(\/\/)[^\s/@]+@/g;
/** A secret that is named: `password=…`, `AUTH …`. */
const NAMED =
  /\b(password|passwd|token|secret|requirepass|auth)([=:]\s*|\s+(?=["']))\S+/gi;

/**
 * Masks what looks like a secret. The errors of this package hold none; other people's
 * texts (a handler's error, a token provider's) may.
 *
 * @param text Any text.
 * @returns The text without them.
 *
 * @example Usage
 * ```ts
 * import { maskSecrets } from "./secret.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(maskSecrets("no redis://app:s3cret@db:6379"), "no redis://***@db:6379");
 * ```
 */
export function maskSecrets(text: string): string {
  return text.replace(USER_INFO, `$1${MASK}@`).replace(NAMED, `$1$2${MASK}`);
}
