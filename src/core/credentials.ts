import { ConfigError } from "./errors/config.ts";

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

/** Credentials as they are used. */
export interface GivenCredentials {
  /** The password. */
  readonly password: string;
  /** ACL user, if the provider names one. */
  readonly username?: string;
  /** When the password ceases to be good, in milliseconds since the Unix epoch; infinite
   * for never. */
  readonly expiresAt: number;
}

const ALLOWED = "allowed: a text or { password, username, expiresAt }";

/**
 * Checks what a provider gave.
 *
 * @param found What it gave, secrets taken out of their wrapping.
 * @returns The credentials.
 * @throws {ConfigError} If it is something else; what is told of it is its type.
 */
export function readCredentials(found: unknown): GivenCredentials {
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

/** Of what a provider gives only the type is told. */
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
