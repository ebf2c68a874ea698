/** Fields of INFO by name. */
export type ServerInfo = Readonly<Record<string, string | undefined>>;

/** Reads a reply to INFO. */
export function parseInfo(reply: string): ServerInfo {
  const fields = reply.matchAll(/^([^#:\r\n]+):(.*?)\r?$/gm);
  return Object.fromEntries([...fields].map(([, name, value]) => [name!, value!]));
}

/**
 * Which server it is, and which version: Valkey has the Redis version that it is compatible
 * with as `redis_version`.
 *
 * @param info INFO server.
 * @returns Text such as `7.0.15` or `9.1.2 (valkey)`.
 */
export function serverVersion(info: ServerInfo): string {
  const name = info.server_name ?? "redis";
  const version = info[`${name}_version`] ?? info.redis_version ?? "unknown";
  return name === "redis" ? version : `${version} (${name})`;
}

/** The value of a setting out of a reply to CONFIG GET, in RESP2 or RESP3. */
export function settingOf(reply: unknown): string | undefined {
  const [value] = Array.isArray(reply) ? reply.slice(1) : Object.values(Object(reply));
  return value === undefined ? undefined : String(value);
}
