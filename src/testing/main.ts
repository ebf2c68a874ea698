/**
 * Throw-away servers, a proxy that makes connections fail, and fake time, for tests of
 * services that use Redis.
 *
 * - {@linkcode startRedis}, {@linkcode startCluster} and {@linkcode startSentinel} start servers of
 *   `redis-server` or `valkey-server`, which must be installed: the one that `REDIS_SERVER`
 *   names, else the first on `PATH`.
 * - {@linkcode FaultProxy} stands between client and server and delays, cuts or loses replies.
 * - {@linkcode fakeClock} makes a clock that a test moves.
 *
 * Servers listen on free ports of 127.0.0.1 and end with `await using`, or with the process.
 * They need Linux, macOS or WSL, and these permissions: `--allow-run=sh`, `--allow-net`,
 * `--allow-env`, `--allow-read` and `--allow-write` (folders of `PATH` and the temporary
 * folder), `--allow-sys=uid`; in short `-A`. `FaultProxy` needs `--allow-net`, and where no
 * port is given all but `--allow-run`. `fakeClock` needs none.
 *
 * Nothing here imports ioredis, and `@mooring/redis` does not import this module.
 *
 * @example Usage
 * ```ts
 * import { RedisConnectionManager } from "@mooring/redis";
 * import { startRedis } from "@mooring/redis/testing";
 * import { assertEquals } from "@std/assert";
 *
 * Deno.test("visits are counted", async () => {
 *   await using server = await startRedis();
 *   await using manager = new RedisConnectionManager({
 *     url: server.url,
 *     databases: { main: { db: 0 } },
 *   });
 *   await manager.getClient("main").incr("visits");
 *   assertEquals(await server.cli("GET", "visits"), "1");
 * });
 * ```
 *
 * @module
 */

export {
  type Persistence,
  type RedisServer,
  type RedisServerConfig,
  type RedisServerOptions,
  type RedisServerTls,
  startRedis,
} from "./redis_server.ts";
export type { ClientRow } from "./redis_replies.ts";
export {
  type RespArg,
  RespClient,
  type RespClientOptions,
  type RespTarget,
} from "./resp_client.ts";
export { RespError, type RespValue } from "./resp_parser.ts";

export {
  type ClusterTopology,
  type ClusterTopologyOptions,
  type SlotMove,
  startCluster,
} from "./cluster_topology.ts";
export {
  type SentinelTopology,
  type SentinelTopologyOptions,
  startSentinel,
} from "./sentinel_topology.ts";

export {
  type CutOptions,
  FaultProxy,
  type FaultProxyOptions,
  type ProxyTarget,
  type ProxyWelcome,
} from "./fault_proxy.ts";
export type {
  ProxyConnection,
  ProxyFaults,
  ProxyObserver,
  ProxyWay,
} from "./proxy_connection.ts";
export type { ProxyCounts, ProxyEnd, ProxyFate, ProxyFault } from "./proxy_pipe.ts";
export type { ProxyScript } from "./proxy_script.ts";

export {
  type Clock,
  type FakeClock,
  fakeClock,
  type FakeClockOptions,
  type SleepOptions,
  type Timer,
} from "./fake_clock.ts";
