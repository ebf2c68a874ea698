import type { RedisConfig } from "../types.ts";

/**
 * Where a database lives, in words: equal for databases on the same server.
 *
 * @param config The database.
 * @returns Text such as `localhost:6379`, `unix:/run/redis.sock`,
 * `sentinel mymaster at a:26379,b:26379` or `cluster a:7000,b:7000`.
 */
export function endpointOf(config: RedisConfig): string {
  const nodes = config.nodes.map(({ host, port }) => hostPort(host, port)).sort().join(
    ",",
  );
  switch (config.mode) {
    case "sentinel":
      return `sentinel ${config.sentinelName} at ${nodes}`;
    case "cluster":
      return `cluster ${nodes}`;
    case "standalone":
      return config.unixSocket === undefined
        ? hostPort(config.host, config.port)
        : `unix:${config.unixSocket}`;
  }
}

function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Whether a host is this machine, so that nothing passes a network.
 *
 * @param host Host name or address.
 * @returns `true` for `localhost`, 127.0.0.0/8 and `::1`.
 */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" ||
    name === "0:0:0:0:0:0:0:1" || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
