import { assertRejects } from "@std/assert";
import { ConnectError, RedisConfigLoader } from "../../../mod.ts";
import { MOORING } from "../../../src/cli/tune/contender.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";

Deno.test("a contender that cannot connect leaves nothing open, to sentinels neither", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  for (const server of redis.servers) await server.kill();
  const { databases } = RedisConfigLoader.fromOptions({
    mode: "sentinel",
    nodes: redis.endpoints,
    sentinelName: redis.name,
    connectTimeoutMs: 1000,
    databases: { main: {} },
  });
  const options = { config: databases.main!, name: "tune-1", lanes: 1, leases: 0 };
  await assertRejects(() => MOORING.open(options), ConnectError);
  for (const sentinel of redis.sentinels) {
    await assertNoConnectionsLeft(sentinel, "mooring:");
  }
});
