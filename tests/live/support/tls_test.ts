import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { RedisServerTls } from "../../../src/testing/redis_config.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { makeTlsCases, TlsAuthority } from "../../support/tls.ts";

/** What a TLS client that trusts `caFile` gets for a PING: the reply, or the reason. */
async function ping(
  server: RedisServer,
  caFile: string,
  hostname = "localhost",
  client?: RedisServerTls,
): Promise<string> {
  try {
    using conn = await Deno.connectTls({
      hostname,
      port: server.port,
      caCerts: [await Deno.readTextFile(caFile)],
      ...client
        ? {
          cert: await Deno.readTextFile(client.certFile),
          key: await Deno.readTextFile(client.keyFile),
        }
        : {},
    });
    await conn.write(new TextEncoder().encode("PING\r\n"));
    const bytes = new Uint8Array(100);
    const length = await conn.read(bytes) ?? 0;
    return new TextDecoder().decode(bytes.subarray(0, length));
  } catch (error) {
    return String(error);
  }
}

Deno.test("makeTlsCases() gives each case, and RedisServer speaks TLS with it", async (t) => {
  await using cases = await makeTlsCases();
  const reasons = {
    good: "+PONG\r\n",
    expired: "certificate expired",
    notYetValid: "certificate not valid yet",
    wrongHost: "not valid for name",
    unknownAuthority: "UnknownIssuer",
  };
  for (const [name, reason] of Object.entries(reasons)) {
    await t.step(name, async () => {
      const tls = cases[name as keyof typeof reasons];
      await using server = await RedisServer.start({ tls });
      assertStringIncludes(await ping(server, cases.caFile), reason);
      assertEquals(server.url, `rediss://127.0.0.1:${server.port}`);
      assertEquals(await server.cli("PING"), "PONG");
    });
  }
  await t.step("removed", async () => {
    const { caFile, good } = cases;
    await cases[Symbol.asyncDispose]();
    await assertRejects(() => Deno.stat(caFile), Deno.errors.NotFound);
    await assertRejects(() => Deno.stat(good.keyFile), Deno.errors.NotFound);
  });
});

Deno.test("RedisServer with requireClientCertificate refuses clients without one", async () => {
  await using authority = await TlsAuthority.create();
  await using server = await RedisServer.start({
    tls: { ...await authority.issue(), requireClientCertificate: true },
  });
  const client = await authority.issue({ hosts: ["client"] });
  assertEquals(
    await ping(server, authority.caFile, "127.0.0.1", client),
    "+PONG\r\n",
  );
  const refused = await ping(server, authority.caFile);
  assert(!refused.includes("PONG"), refused);
  assertStringIncludes(refused, "CertificateRequired");
});

Deno.test("RedisServer with TLS does not speak plain TCP", async () => {
  await using authority = await TlsAuthority.create();
  await using server = await RedisServer.start({ tls: await authority.issue() });
  using conn = await Deno.connect({ hostname: server.host, port: server.port });
  await conn.write(new TextEncoder().encode("PING\r\n"));
  const bytes = new Uint8Array(100);
  const length = await conn.read(bytes).catch(() => null) ?? 0;
  assert(!new TextDecoder().decode(bytes.subarray(0, length)).includes("PONG"));
});
