/** What a connection tells the server of itself, and when. */
import { createServer } from "node:net";
import { assertEquals, assertMatch } from "@std/assert";
import info from "ioredis/package.json" with { type: "json" };
import { RedisConnectionManager } from "../../../mod.ts";
import { VERSION } from "../../../src/core/version.ts";
import { RespParser } from "../../../src/testing/resp_parser.ts";
import { withManager } from "../../support/managed.ts";

const OK = "+OK\r\n";
const UNKNOWN = "-ERR unknown subcommand 'SETINFO'. Try CLIENT HELP.\r\n";
const ANSWERS: Record<string, string> = {
  HELLO: "%1\r\n$5\r\nproto\r\n:3\r\n",
  SELECT: OK,
  "CLIENT SETNAME": OK,
  "CLIENT SETINFO": UNKNOWN,
  PING: "+PONG\r\n",
  GET: "$1\r\nv\r\n",
  INFO: "$0\r\n\r\n",
};

/** A server that answers nothing of a handshake before it has the last of it. */
async function startServer() {
  const commands: string[][] = [];
  const listener = createServer((socket) => {
    const parser = new RespParser();
    let owed = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      for (const { value } of parser.push(Uint8Array.from(chunk as Uint8Array))) {
        const command = (value as unknown[]).map(String);
        commands.push(command);
        const [name = "", subcommand = ""] = command.map((word) => word.toUpperCase());
        owed += ANSWERS[name === "CLIENT" ? `CLIENT ${subcommand}` : name];
        if (commands.length < 5) continue;
        socket.write(owed);
        owed = "";
      }
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    commands,
    port: (listener.address() as { port: number }).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => listener.close(() => resolve())),
  };
}

Deno.test("a connection says what it is in one round trip; a server may not know SETINFO", async () => {
  await using server = await startServer();
  await using manager = new RedisConnectionManager({
    port: server.port,
    databases: { main: { db: 2, clientName: "billing" } },
  });
  assertEquals(await manager.getClient("main").get("k"), "v");
  assertEquals(server.commands.slice(0, 6), [
    ["hello", "3"],
    ["select", "2"],
    ["client", "SETNAME", "billing"],
    ["client", "SETINFO", "LIB-NAME", `mooring(ioredis_v${info.version})`],
    ["client", "SETINFO", "LIB-VER", VERSION],
    ["ping"],
  ]);
});

Deno.test("client_name names the connections; a lease that was renamed gets it again", () =>
  withManager(
    { databases: { main: { clientName: "billing" }, other: {} } },
    async ({ manager, server }) => {
      await manager.getClient("main").ping();
      await manager.getClient("other").ping();
      {
        await using lease = await manager.acquire("main");
        await lease.client.client("SETNAME", "somebody");
      }
      await using lease = await manager.acquire("main");
      assertEquals(await lease.client.client("GETNAME"), "billing");
      assertEquals((await server.clientList("billing")).length, 2);
      assertEquals((await server.clientList("mooring:other:lane")).length, 1);
    },
  ));

Deno.test("a server that supports SETINFO lists the library and its version", () =>
  withManager({ databases: { main: {} } }, async ({ manager, server }) => {
    await manager.getClient("main").ping();
    const listed = String(await server.cli("CLIENT", "LIST"));
    // Redis 7.0 does not know it.
    if (!listed.includes(" lib-name=")) return;
    const lane = listed.split("\n").find((line) => line.includes("mooring:main:lane"))!;
    assertMatch(lane, new RegExp(` lib-name=mooring\\(ioredis_v${info.version}\\) `));
    assertMatch(lane, new RegExp(` lib-ver=${VERSION}`));
  }));
