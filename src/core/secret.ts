/**
 * A value that must not be read by accident: it prints, stringifies and inspects as
 * `***`, and only {@linkcode Secret.reveal} gives it away.
 */

import {
  type Credentials,
  type GivenCredentials,
  readCredentials,
} from "./credentials.ts";

/** What a provider may give: a password, or one with its user and its expiry. */
export type Provided = string | Secret | Credentials;

/**
 * Gives a secret when it is asked for, such as a token that is rotated. Where it gives
 * {@linkcode Credentials} with an expiry, it is asked again before that.
 */
export type SecretProvider = () => Provided | Promise<Provided>;

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
  async credentials(): Promise<GivenCredentials> {
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
