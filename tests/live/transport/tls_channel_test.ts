import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ConnectError, type RedisConfig, RedisConnectionManager } from "../../../mod.ts";
import type { RedisServerTls } from "../../../src/testing/redis_config.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { assertNoConnectionsLeft } from "../../support/clients.ts";
import { makeTlsCases, type TlsCases } from "../../support/tls.ts";
import { KINDS } from "./kinds.ts";

type Kind = (typeof KINDS)[number][0];

/** What a manager that trusts the cases' authority gets for a PING. */
async function ping(
  kind: Kind,
  port: number,
  cases: TlsCases,
  more: Partial<RedisConfig["tls"]> = {},
  { host = "localhost", connectTimeoutMs = 10_000 } = {},
): Promise<unknown> {
  await using manager = new RedisConnectionManager({
    host,
    port,
    transport: kind,
    connectTimeoutMs,
    connectRetry: { attempts: 1 },
    tls: { enabled: true, caFile: cases.caFile, ...more },
    databases: { main: {} },
  });
  return await manager.getClient("main").ping();
}

function startServer(tls: RedisServerTls): Promise<RedisServer> {
  return RedisServer.start({ tls });
}

const REASONS = {
  expired: /expired/i,
  notYetValid: /not valid yet/i,
  wrongHost: /not valid for name|altnames/i,
  unknownAuthority: /UnknownIssuer|issuer certificate|self.signed/i,
};
/** A TLS socket whose handshake is cut off lingers in the runtime until the peer ends it,
 * but for node:tls of 2.9 and later. */
const lingers = (kind: Kind) =>
  kind === "deno" || Number(Deno.version.deno.split(".")[1]) < 9;
/** What node:tls of this runtime says whatever the reason is. */
const UNTOLD = /unable to verify the first certificate/;

for (const [kind] of KINDS) {
  Deno.test(`${kind} channel uses TLS with a valid certificate`, async () => {
    await using cases = await makeTlsCases();
    await using server = await startServer(cases.good);
    assertEquals(await ping(kind, server.port, cases), "PONG");
    assertEquals(await ping(kind, server.port, cases, {}, { host: "127.0.0.1" }), "PONG");
    await assertNoConnectionsLeft(server, "mooring:");
  });

  for (const [name, reason] of Object.entries(REASONS)) {
    Deno.test(`${kind} channel refuses a certificate that is ${name}, with the reason`, async () => {
      await using cases = await makeTlsCases();
      await using server = await startServer(cases[name as keyof typeof REASONS]);
      const error = await assertRejects(
        () => ping(kind, server.port, cases),
        ConnectError,
      );
      const isTold = reason.test(error.message) ||
        (kind === "node" && UNTOLD.test(error.message));
      assertEquals(isTold, true, error.message);
      await assertNoConnectionsLeft(server, "mooring:");
    });
  }

  Deno.test(`${kind} channel takes the server's name from the settings`, async () => {
    await using cases = await makeTlsCases();
    await using server = await startServer(cases.wrongHost);
    const serverName = "elsewhere.example";
    assertEquals(await ping(kind, server.port, cases, { serverName }), "PONG");
  });

  Deno.test(`${kind} channel presents its client certificate`, async () => {
    await using cases = await makeTlsCases();
    await using server = await RedisServer.start({
      tls: cases.good,
      config: { "tls-auth-clients": "yes" },
    });
    const { certFile, keyFile } = cases.client;
    assertEquals(await ping(kind, server.port, cases, { certFile, keyFile }), "PONG");
    await assertRejects(() => ping(kind, server.port, cases), ConnectError);
  });

  Deno.test({
    name: `${kind} channel gives up on a plain port by the connect deadline`,
    sanitizeResources: !lingers(kind),
    async fn() {
      await using cases = await makeTlsCases();
      await using server = await RedisServer.start();
      const startedAt = performance.now();
      const short = { connectTimeoutMs: 500 };
      await assertRejects(() => ping(kind, server.port, cases, {}, short), ConnectError);
      const elapsedMs = performance.now() - startedAt;
      // Nothing else would end it.
      assert(elapsedMs >= 490 && elapsedMs < 20_000, `it took ${elapsedMs} ms`);
      if (!lingers(kind)) await assertNoConnectionsLeft(server);
    },
  });
}

Deno.test("node channel skips the verification of certificates only where it is configured", async () => {
  await using cases = await makeTlsCases();
  await using server = await startServer(cases.unknownAuthority);
  assertEquals(await ping("node", server.port, cases, { verify: false }), "PONG");
  await assertRejects(() => ping("node", server.port, cases), ConnectError);
});

Deno.test("deno channel refuses options that TLS of Deno does not have, and names the transport that has them", async () => {
  await using cases = await makeTlsCases();
  await using server = await startServer(cases.wrongHost);
  const { certFile, keyFile } = cases.client;
  for (
    const tls of [
      { verify: false },
      { certFile, keyFile, serverName: "elsewhere.example" },
    ]
  ) {
    const error = await assertRejects(
      () => ping("deno", server.port, cases, tls),
      Error,
    );
    assertStringIncludes(error.message, 'transport "node"');
  }
  await assertNoConnectionsLeft(server);
});
