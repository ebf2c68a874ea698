import { assertEquals } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";
import { KINDS, TestChannel } from "./kinds.ts";

/** Counts how often the C library is opened and closed meanwhile. */
function countLibraries() {
  const open = Deno.dlopen;
  const count = { opened: 0, closed: 0 };
  Deno.dlopen = ((path: string, symbols: Deno.ForeignLibraryInterface) => {
    const library = open(path, symbols);
    count.opened++;
    return {
      symbols: library.symbols,
      close: () => {
        count.closed++;
        library.close();
      },
    };
  }) as typeof Deno.dlopen;
  return { count, [Symbol.dispose]: () => void (Deno.dlopen = open) };
}

for (const [kind, openChannel] of KINDS) {
  Deno.test({
    name: `${kind} channels open the C library once, and close it with the last of them`,
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      await using server = await RedisServer.start();
      const endpoint = { host: server.host, port: server.port } as const;
      const keepalive = { idleMs: 600_000, intervalMs: 60_000, count: 5 };
      using libraries = countLibraries();
      const { count } = libraries;
      for (let round = 1; round <= 2; round++) {
        const links = [];
        for (let i = 0; i < 3; i++) {
          links.push(await TestChannel.open(openChannel, endpoint, { keepalive }));
        }
        assertEquals(links.map(({ channel }) => channel.keepalive), [
          "full",
          "full",
          "full",
        ]);
        // One ends by us, one by the server, and one is told twice to.
        links[0]!.channel.end();
        links[1]!.channel.write("*1\r\n$4\r\nQUIT\r\n");
        await Promise.all([links[0]!.closed, links[1]!.closed]);
        assertEquals(count, { opened: round, closed: round - 1 });
        for (let i = 0; i < 2; i++) links[2]!.channel.destroy();
        await links[2]!.closed;
        await waitFor(() => count.closed === round);
      }
      assertEquals(count, { opened: 2, closed: 2 });
    },
  });
}

Deno.test({
  name: "a manager opens the C library once, however often all its connections are cut",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using libraries = countLibraries();
    const { count } = libraries;
    await withManager({ databases: { main: { db: 0 } } }, async ({ manager, server }) => {
      for (let i = 0; i < 3; i++) {
        await manager.getClient("main").ping();
        await server.cli("CLIENT", "KILL", "TYPE", "normal");
        await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
      }
      await manager.getClient("main").ping();
      assertEquals(count, { opened: 1, closed: 0 });
    });
    await waitFor(() => count.closed === 1);
  },
});
