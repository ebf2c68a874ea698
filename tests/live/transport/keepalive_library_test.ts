import { assertEquals } from "@std/assert";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { withManager } from "../../support/managed.ts";
import { keepLibrary } from "../../../src/transport/keepalive.ts";
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
    name: `${kind} channels leave the C library closed, unless somebody keeps it`,
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      await using server = await RedisServer.start();
      const endpoint = { host: server.host, port: server.port } as const;
      const keepalive = { idleMs: 600_000, intervalMs: 60_000, count: 5 };
      using libraries = countLibraries();
      const { count } = libraries;
      const open = async () => {
        const link = await TestChannel.open(openChannel, endpoint, { keepalive });
        assertEquals(link.channel.keepalive, "full");
        link.channel.destroy();
        await link.closed;
      };
      await open();
      assertEquals(count, { opened: 1, closed: 1 });
      const release = keepLibrary();
      for (let i = 0; i < 2; i++) await open();
      assertEquals(count, { opened: 2, closed: 1 });
      release();
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
