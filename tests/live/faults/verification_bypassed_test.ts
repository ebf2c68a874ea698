// Runs alone: it changes the environment of its process.
import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  ConfigError,
  ConnectError,
  RedisConfigLoader,
  RedisConnectionManager,
} from "../../../mod.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { makeTlsCases } from "../../support/tls.ts";
import { report } from "./_report.ts";
import { assertTook, timed } from "./_stage.ts";
import { tlsManager, TRANSPORTS } from "./_tls.ts";

for (const transport of TRANSPORTS) {
  Deno.test({
    name:
      `with transport ${transport}, TLS spoken to a plain port fails by the connect deadline`,
    fn: async () => {
      await using server = await RedisServer.start();
      await using manager = tlsManager(server, transport, {}, {
        connectTimeoutMs: 400,
        connectRetry: { attempts: 1 },
      });
      const told = await timed(manager.getClient("main").ping());
      assertInstanceOf(told.error, ConnectError);
      assertTook(told, { most: 900 });
      await report({
        row: 48,
        fault: `TLS to a plain port (${transport})`,
        outcome: "ConnectError by the deadline",
        noticedMs: told.ms,
      });
    },
  });
}

for (const transport of TRANSPORTS) {
  Deno.test(`with transport ${transport}, NODE_TLS_REJECT_UNAUTHORIZED=0 does not switch verification off`, async () => {
    await using cases = await makeTlsCases();
    await using server = await RedisServer.start({ tls: cases.unknownAuthority });
    Deno.env.set("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    try {
      await using manager = tlsManager(server, transport, { caFile: cases.caFile });
      await assertRejects(() => manager.getClient("main").ping(), ConnectError);
    } finally {
      Deno.env.delete("NODE_TLS_REJECT_UNAUTHORIZED");
    }
  });
}

/** What other clients take, and switches verification off where nobody sees it. */
for (
  const sideways of [
    { rejectUnauthorized: false },
    { checkServerIdentity: () => undefined },
    { insecureSkipVerify: true },
  ]
) {
  const name = Object.keys(sideways)[0]!;
  Deno.test(`${name} is refused as a setting of TLS, in code and in a file`, () => {
    const tls = { enabled: true, ...sideways };
    const error = assertThrows(
      () => new RedisConnectionManager({ databases: { main: { tls } } }),
      ConfigError,
      `databases.main.tls.${name}: unknown setting`,
    );
    assertMatch(error.message, /overrides|options/);
    assertThrows(
      () =>
        RedisConfigLoader.fromYaml(
          `databases: {main: {tls: {enabled: true, ${name}: false}}}`,
          "file",
        ),
      ConfigError,
      `tls.${name}: unknown setting`,
    );
  });
}

Deno.test("verification is off only by the explicit setting, which warns", async () => {
  await using cases = await makeTlsCases();
  await using server = await RedisServer.start({ tls: cases.unknownAuthority });
  await using manager = tlsManager(server, "node", { verify: false });
  assertEquals(await manager.getClient("main").ping(), "PONG");
  assertMatch(manager.config.warnings.join("\n"), /verif/i);
});
