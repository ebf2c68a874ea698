import type { RedisConfig } from "../../mod.ts";

/** Where a server listens. */
export interface ServerAddress {
  /** Host name or address. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
}

/**
 * The servers that a database is connected to first: its own, or those that know where it
 * is.
 *
 * @param config The database.
 * @returns The servers; none for a Unix socket.
 */
export function targetsOf(
  { host, mode, nodes, port, unixSocket }: RedisConfig,
): readonly ServerAddress[] {
  if (unixSocket !== undefined) return [];
  return mode === "standalone" ? [{ host, port }] : nodes;
}

/**
 * A server in words.
 *
 * @param address The server.
 * @returns Text such as `10.0.0.7:6379`, as the runtime's flags take it.
 */
export function targetText({ host, port }: ServerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
