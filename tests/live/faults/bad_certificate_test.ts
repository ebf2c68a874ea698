import { assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { ConnectError } from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { makeTlsCases } from "../../support/tls.ts";
import { report } from "./_report.ts";
import { timed } from "./_stage.ts";
import { tlsManager, TRANSPORTS } from "./_tls.ts";

for (const transport of TRANSPORTS) {
  Deno.test(`with transport ${transport}, a bad certificate is refused with the reason, once`, async () => {
    await using cases = await makeTlsCases();
    const { caFile, expired, notYetValid, wrongHost, unknownAuthority } = cases;
    const bad = { expired, notYetValid, wrongHost, unknownAuthority };
    for (const [what, tls] of Object.entries(bad)) {
      await using server = await RedisServer.start({ tls });
      await using manager = tlsManager(server, transport, { caFile });
      const { error } = await timed(manager.getClient("main").ping());
      assertInstanceOf(error, ConnectError, what);
      assertMatch(error.message, /certificate/i, what);
      assertEquals(error.attempts, 1, what);
      await assertNoConnectionsLeft(server, "mooring:");
    }
    await using server = await RedisServer.start({ tls: cases.good });
    await using manager = tlsManager(server, transport, { caFile });
    assertEquals(await manager.getClient("main").ping(), "PONG");
    await report({
      row: 31,
      fault: `bad certificates (${transport})`,
      outcome: "refused with the reason, one attempt",
    });
  });
}
