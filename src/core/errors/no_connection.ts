/** What is known of a server that cannot be reached; a `ConnectError` has it. */
export interface NoConnection {
  /** Attempts since it was reached last. */
  readonly attempts: number;
  /** Where it is. */
  readonly endpoint: string;
  /** Why the last attempt failed, in words. */
  readonly reason: string;
}

/**
 * Why there is no connection, in words.
 *
 * @param known What keeps the server from being reached.
 * @returns Text such as `cannot reach 127.0.0.1:6379 after 2 attempts: connection refused`.
 */
export function describeNoConnection(known: NoConnection): string {
  const { attempts, endpoint, reason } = known;
  const tries = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  return `cannot reach ${endpoint} after ${tries}: ${reason}`;
}

/**
 * The same behind another text.
 *
 * @param known What keeps the server from being reached; `undefined` if nothing is known.
 * @returns The text with a semicolon before it; empty if nothing is known.
 */
export function noConnectionText(known: NoConnection | undefined): string {
  return known === undefined ? "" : `; ${describeNoConnection(known)}`;
}
