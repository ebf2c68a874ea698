/** What the pool says of each connection, against the server, the kernel and openssl. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ConnectionDetails, RedisConnectionManager } from "../../../mod.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { nodeNetSetsKeepalive } from "../../../src/transport/keepalive.ts";
import { withManager } from "../../support/managed.ts";
import { TlsAuthority } from "../../support/tls.ts";
import { readSocketOptions } from "../transport/socket_options.ts";

const ONE = { databases: { main: { db: 0 } } };

function details(manager: RedisConnectionManager): readonly ConnectionDetails[] {
  return manager.getPoolStatistics("main").connections;
}

Deno.test("PoolStatistics.connections are the server's, by port, purpose and age", () =>
  withManager(ONE, async ({ manager, server }) => {
    assertEquals(details(manager), []);
    await manager.getClient("main").ping();
    const lease = await manager.acquire("main");
    await new Promise((resolve) => setTimeout(resolve, 1100));

    const before = details(manager);
    const [lane, leased, ...more] = before;
    assertEquals([lane?.purpose, leased?.purpose, more.length], ["lane", "lease", 0]);
    const rows = await server.clientList("mooring:main:");
    const after = details(manager);
    for (const [i, { localPort, ageSeconds, endpoint }] of before.entries()) {
      const row = rows.find(({ addr }) => addr === `127.0.0.1:${localPort}`);
      assert(row !== undefined, `port ${localPort}`);
      // The server tells whole seconds, and was asked between the two.
      assert(Number(row.age) > ageSeconds - 2, `${row.age}, ${ageSeconds}`);
      assert(Number(row.age) < after[i]!.ageSeconds + 2, `${row.age}, ${ageSeconds}`);
      assert(ageSeconds >= 1, `${ageSeconds} s`);
      assertEquals(endpoint, `127.0.0.1:${server.port}`);
    }
    assertEquals(rows.length, 2);
    assert(lane!.id < leased!.id);

    await server.cli("CLIENT", "KILL", "ADDR", `127.0.0.1:${lane!.localPort}`);
    await waitFor(() => details(manager).length === 1, { what: "the lane's end" });
    assertEquals(details(manager)[0]!.id, leased!.id);
    await lease.release();
    // An idle one is still open, and for leases.
    assertEquals(details(manager).map(({ purpose }) => purpose), ["lease"]);
  }));

Deno.test("PoolStatistics.connections count what each has in flight, and stay as they were", () =>
  withManager(ONE, async ({ manager, server }) => {
    const main = manager.getClient("main");
    await main.ping();
    await server.cli("CLIENT", "PAUSE", "300", "ALL");
    const replies = [main.get("a"), main.get("b"), main.get("c")];
    const taken = details(manager);
    assertEquals(taken.map(({ inFlight }) => inFlight), [3]);
    await Promise.all(replies);
    assertEquals(details(manager).map(({ inFlight }) => inFlight), [0]);
    assertEquals(taken[0]!.inFlight, 3);
    assert(Object.isFrozen(taken) && Object.isFrozen(taken[0]));
    assertEquals(JSON.parse(JSON.stringify(taken)), taken);
  }));

for (const transport of ["node", "deno"] as const) {
  Deno.test({
    name: `${transport}: what a connection says of keepalive is what the kernel says`,
    ignore: Deno.build.os !== "linux",
    fn: () =>
      withManager({
        ...ONE,
        transport,
        socketKeepaliveOptions: { idleMs: 120_000, intervalMs: 7000, count: 3 },
      }, async ({ manager }) => {
        await manager.getClient("main").ping();
        const [lane] = details(manager);
        const { keepalive, idle, interval, count } = readSocketOptions(lane!.localPort);
        assertEquals(lane!.keepalive, "full");
        assertEquals(lane!.kernelKeepalive, {
          isOn: keepalive,
          idleSeconds: idle,
          intervalSeconds: interval,
          count,
        });
        assertEquals([keepalive, idle, interval, count], [true, 120, 7, 3]);
        assertEquals(lane!.tls, null);
      }),
  });
}

Deno.test("a connection says what TLS agreed on and when the certificate expires", async () => {
  await using authority = await TlsAuthority.create();
  const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 5 * 86_400_000);
  const tls = await authority.issue({ notAfter });
  const client = { enabled: true, caFile: authority.caFile };
  await withManager({ ...ONE, tls: client }, async ({ manager }) => {
    await manager.getClient("main").ping();
    const session = details(manager)[0]!.tls;
    assert(session !== null);
    assert(Object.isFrozen(session));
    if (nodeNetSetsKeepalive(Deno.version.deno)) {
      assertMatch(session.protocol ?? "", /^TLSv1\.[23]$/);
      assertMatch(session.cipher ?? "", /^(TLS_|ECDHE)/);
      assertEquals(session.expiresAt, notAfter.toISOString());
    } else {
      // Older runtimes do not tell; what they do tell must be right.
      assertEquals(session.expiresAt ?? notAfter.toISOString(), notAfter.toISOString());
    }
  }, { tls });
});

Deno.test("transport deno: TLS is spoken, and the runtime tells nothing of it", async () => {
  await using authority = await TlsAuthority.create();
  const tls = await authority.issue();
  const client = { enabled: true, caFile: authority.caFile };
  await withManager({ ...ONE, tls: client, transport: "deno" }, async ({ manager }) => {
    await manager.getClient("main").ping();
    assertEquals(details(manager)[0]!.tls, {
      protocol: null,
      cipher: null,
      expiresAt: null,
    });
  }, { tls });
});
