import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ConfigError, RedisConfigLoader, RedisConnectionManager } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { makeTlsCases } from "../../support/tls.ts";
import { report } from "./_report.ts";
import { tlsManager, TRANSPORTS } from "./_tls.ts";

for (const transport of TRANSPORTS) {
  Deno.test(`with transport ${transport}, a file of TLS that cannot be used is told at construction`, async () => {
    await using cases = await makeTlsCases();
    const dir = await Deno.makeTempDir();
    await using server = await RedisServer.start({ tls: cases.good });
    await Deno.writeTextFile(`${dir}/empty.pem`, "");
    await Deno.writeTextFile(`${dir}/words.pem`, "no certificate\n");
    const reasons = {
      "none.pem": /it does not exist/,
      "empty.pem": /is empty/,
      "words.pem": /holds no PEM/,
    };
    for (const [file, reason] of Object.entries(reasons)) {
      const caFile = `${dir}/${file}`;
      const error = assertThrows(
        () => tlsManager(server, transport, { caFile }),
        ConfigError,
      );
      assertEquals(error.key, "databases.main.tls.caFile");
      assertMatch(error.message, reason);
    }
    await assertNoConnectionsLeft(server, "mooring:");
    const url = `rediss://localhost:${server.port}`;
    const config = await RedisConfigLoader.load({
      yamlText: `databases: {main: {db: 0}}\ntransport: ${transport}`,
      env: { REDIS_URL: url, AUTOBOT_TLS_CA_PATH: cases.caFile },
    });
    await using manager = new RedisConnectionManager(config);
    assertEquals(await manager.getClient("main").ping(), "PONG");
    await Deno.remove(dir, { recursive: true });
    await report({
      row: 67,
      fault: `tls.ca_file missing, empty, no PEM (${transport})`,
      outcome: "ConfigError at construction; AUTOBOT_TLS_CA_PATH honoured",
    });
  });
}
