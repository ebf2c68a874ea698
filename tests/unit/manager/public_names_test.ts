/** What `mod.ts` exports: few names, among them all that callers were promised. */
import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { runDeno } from "../../live/config/run_child.ts";

/** Most names that `mod.ts` exports: a reader of its documentation looks at each. */
const LIMIT = 108;

/** Names that programs and tests outside of this package import. */
const PROMISED = [
  // Managers
  "RedisConnectionManager",
  "RedisDatabase",
  "ConnectionState",
  "getRedisClient",
  "getRedisManager",
  "closeAllRedisConnections",
  // Configuration
  "RedisConfigLoader",
  "ManagerConfig",
  "ServiceRegistry",
  // Clients and leases
  "RedisClient",
  "ConnectionLease",
  "Subscription",
  // Statistics
  "ManagerStats",
  "RedisStats",
  "PoolStatistics",
  "ConnectionMetrics",
  // Errors
  "RedisManagerError",
  "ConfigError",
  "UnknownDatabaseError",
  "AcquireTimeoutError",
  "CommandTimeoutError",
  "ConnectionLostError",
  "ConnectError",
  "CircuitOpenError",
  "NotReadyError",
  "LeaseReleasedError",
  "PipelineError",
  "TransactionConflictError",
  "ManagerClosedError",
  "ReplyError",
];

/** Methods that a manager has, those of its base class included. */
const METHODS = [
  "getClient",
  "getSyncClient",
  "getAsyncClient",
  "main",
  "knowledge",
  "prompts",
  "agents",
  "metrics",
  "sessions",
  "workflows",
  "vectors",
  "models",
  "memory",
  "analytics",
  "addDatabase",
  "listDatabases",
  "acquire",
  "subscribe",
  "pipeline",
  "transaction",
  "getStatistics",
  "getPoolStatistics",
  "getHealthStatus",
  "healthCheck",
  "getMetrics",
  "toPrometheus",
  "addEventListener",
  "cleanupIdleConnections",
  "closeAll",
];

Deno.test({
  name: `mod.ts exports ${LIMIT} names at most, and every one that was promised`,
  // There `deno doc` takes no --config.
  ignore: Deno.version.deno.startsWith("2.8."),
  fn: async () => {
    const { stdout } = await runDeno(["doc", "--json", "mod.ts"]);
    const [module] = Object.values(JSON.parse(stdout).nodes);
    const { symbols } = module as { symbols: { name: string }[] };
    const names = new Set(symbols.map(({ name }) => name));
    assertGreater(names.size, PROMISED.length);
    assertLessOrEqual(names.size, LIMIT);
    assertEquals(PROMISED.filter((name) => !names.has(name)), []);
  },
});

Deno.test("RedisConnectionManager has every method that was promised", async () => {
  const { RedisConnectionManager } = await import("../../../mod.ts");
  const { prototype } = RedisConnectionManager;
  assertEquals(METHODS.filter((name) => !(name in prototype)), []);
  assertEquals(typeof RedisConnectionManager.shared, "function");
});
