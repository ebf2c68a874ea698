import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ManagerOptions, RedisConnectionManager } from "../../../mod.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { TlsAuthority } from "../../support/tls.ts";

/** A cluster of one node that announces a name which nobody can look up. */
const ANNOUNCED = "node-1.nat.invalid";

for (const transport of ["node", "deno"] as const) {
  Deno.test(`address map, TLS, transport ${transport}: the certificate must carry the announced name`, async () => {
    await using authority = await TlsAuthority.create();
    const start = async (...hosts: string[]) =>
      await RedisServer.start({
        tls: await authority.issue({ hosts }),
        config: {
          "tls-cluster": "yes",
          "cluster-enabled": "yes",
          "cluster-config-file": "nodes.conf",
          "cluster-announce-hostname": ANNOUNCED,
          "cluster-preferred-endpoint-type": "hostname",
        },
      });
    const connect = async (server: RedisServer, proxy: FaultProxy) => {
      await server.cli("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
      await waitFor(async () =>
        String(await server.cli("CLUSTER", "INFO")).includes("cluster_state:ok")
      );
      const options: ManagerOptions = {
        mode: "cluster",
        // The seed is verified by its own name.
        nodes: [`localhost:${proxy.port}`],
        nodeAddressMap: { [`${ANNOUNCED}:${server.port}`]: `127.0.0.1:${proxy.port}` },
        tls: { enabled: true, caFile: authority.caFile },
        transport,
        connectRetry: { attempts: 1 },
        databases: { main: {} },
      };
      return new RedisConnectionManager(options);
    };
    {
      // Nothing in it speaks of 127.0.0.1, where the map leads.
      await using server = await start("localhost", ANNOUNCED);
      await using proxy = await FaultProxy.start({ to: server });
      await using manager = await connect(server, proxy);
      const client = manager.getClient("main");
      assertEquals(await client.incr("n"), 1);
      const { connections } = manager.getPoolStatistics("main");
      assert(connections.some(({ endpoint }) => endpoint === `127.0.0.1:${proxy.port}`));
    }
    {
      await using server = await start("localhost", "127.0.0.1");
      await using proxy = await FaultProxy.start({ to: server });
      await using manager = await connect(server, proxy);
      const error = await assertRejects(
        () => manager.getClient("main").with({ timeoutMs: 3000 }).incr("n"),
        Error,
      );
      assert(/certificate|name/i.test(error.message), error.message);
    }
  });
}
