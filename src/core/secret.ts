/**
 * A value that must not be read by accident: it prints, stringifies and inspects as
 * `***`, and only {@linkcode Secret.reveal} gives it away.
 */

/** Gives a secret when it is asked for, such as a token that is rotated. */
export type SecretProvider = () => string | Promise<string>;

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
   */
  async reveal(): Promise<string> {
    return typeof this.#source === "function" ? await this.#source() : this.#source;
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
