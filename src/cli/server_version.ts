/** Reads a value of INFO by its name. */
export type ReadInfo = (name: string) => string | undefined;

/**
 * Which server it is, and which version: Valkey says the Redis version that it is
 * compatible with as `redis_version`.
 *
 * @param read Reads INFO server.
 * @returns Text such as `7.0.15` or `9.1.2 (valkey)`.
 *
 * @example Usage
 * ```ts
 * import { serverVersion } from "./server_version.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const info = new Map([["redis_version", "7.2.4"], ["server_name", "valkey"]]);
 * info.set("valkey_version", "9.1.2");
 * assertEquals(serverVersion((name) => info.get(name)), "9.1.2 (valkey)");
 * ```
 */
export function serverVersion(read: ReadInfo): string {
  const name = read("server_name") ?? "redis";
  const version = read(`${name}_version`) ?? read("redis_version") ?? "unknown";
  return name === "redis" ? version : `${version} (${name})`;
}

/**
 * What kind of server it is.
 *
 * @param read Reads INFO server.
 * @returns `standalone`, `cluster` or `sentinel`; `unknown kind` if it does not say.
 */
export function serverMode(read: ReadInfo): string {
  return read("redis_mode") ?? read("server_mode") ?? "unknown kind";
}
