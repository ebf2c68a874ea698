import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connect } from "node:net";
import { FaultProxy, type FaultProxyOptions } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespClient, type RespClientOptions } from "../../../src/testing/resp_client.ts";
import { delay, waitFor } from "../../../src/testing/wait.ts";

/** A server, a relay before it, and a way to connect through both. */
async function setUp(options: Partial<FaultProxyOptions> = {}): Promise<
  AsyncDisposable & {
    server: RedisServer;
    relay: FaultProxy;
    client: (options?: RespClientOptions) => Promise<RespClient>;
  }
> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await RedisServer.start());
  const relay = stack.use(await FaultProxy.start({ to: server, ...options }));
  return {
    server,
    relay,
    client: async (options) =>
      stack.use(
        await RespClient.connect({ hostname: relay.host, port: relay.port }, options),
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What a node:net client sees at the end of a connection on which it sent `text`. */
function endSeenByNode(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (bytes) => got += bytes);
    socket.on("end", () => resolve(`${got}|FIN`));
    socket.on("error", (error) => resolve(`${got}|${"code" in error && error.code}`));
  });
}

Deno.test("FaultProxy passes commands and replies both ways and counts them", async () => {
  await using at = await setUp();
  const before = performance.now();
  const client = await at.client({ name: "app" });
  assertEquals(await client.send("SET", "k", "x".repeat(1_000_000)), "OK");
  assertEquals(await client.send("STRLEN", "k"), 1_000_000);
  assertEquals(at.relay.accepted.length, 1);
  assert(at.relay.accepted[0] >= before);
  assertEquals(at.relay.connections.length, 1);
  const { toServer, toClient } = at.relay.bytes;
  assert(toServer > 1_000_000 && toServer < 1_000_200, `${toServer} bytes to the server`);
  assertEquals(toClient, "+OK\r\n+OK\r\n:1000000\r\n".length);
});

Deno.test("FaultProxy passes the end of a connection on, and keeps its counts", async () => {
  await using at = await setUp();
  const client = await at.client({ name: "app" });
  assertEquals((await at.server.clientList("app")).length, 1);
  const bytes = at.relay.bytes;
  client.close();
  await waitFor(async () => (await at.server.clientList("app")).length === 0);
  await waitFor(() => at.relay.connections.length === 0);
  assertEquals(at.relay.bytes, bytes);
  const other = await at.client({ name: "app" });
  await at.server.kill();
  await assertRejects(() => other.send("PING"), Error, "closed the connection");
  await waitFor(() => at.relay.connections.length === 0);
});

Deno.test("FaultProxy with delay adds latency, not order or loss", async () => {
  await using at = await setUp();
  const client = await at.client();
  at.relay.set({ toClient: { kind: "delay", ms: 60 } });
  const start = performance.now();
  const echoes = Array.from({ length: 200 }, (_, i) => client.send("ECHO", i));
  assertEquals(await echoes[0], "0");
  const first = performance.now() - start;
  assert(first >= 59 && first < 3000, `${first} ms`);
  at.relay.set({ toClient: { kind: "delay", ms: 1 } });
  assertEquals(
    await Promise.all(echoes),
    Array.from({ length: 200 }, (_, i) => String(i)),
  );
});

Deno.test("FaultProxy with delay both ways delays a whole batch once, not each command", async () => {
  await using at = await setUp({
    faults: { toClient: { kind: "delay", ms: 50 }, toServer: { kind: "delay", ms: 50 } },
  });
  const client = await at.client();
  const start = performance.now();
  await client.pipeline(Array.from({ length: 500 }, () => ["PING"]));
  const took = performance.now() - start;
  // One by one they would take 50 s.
  assert(took >= 98 && took < 5000, `${took} ms`);
});

Deno.test("FaultProxy that drops replies leaves the sockets open and the command done", async () => {
  await using at = await setUp();
  const client = await at.client({ name: "app", timeoutMs: 1000 });
  at.relay.set({ toClient: { kind: "swallow" } });
  await assertRejects(() => client.send("INCR", "n"), Error, "longer than 1000 ms");
  assertEquals(await at.server.cli("GET", "n"), "1");
  const [connection] = at.relay.connections;
  assertEquals(connection.toClient.counts.received, "+OK\r\n:1\r\n".length);
  assertEquals(connection.toClient.counts.delivered, "+OK\r\n".length);
});

Deno.test("FaultProxy.blackhole() hides the client's end from the server until heal()", async () => {
  await using at = await setUp();
  const client = await at.client({ name: "app", timeoutMs: 1000 });
  at.relay.blackhole();
  await assertRejects(() => client.send("INCR", "n"), Error, "longer than");
  assertEquals(await at.server.cli("GET", "n"), null);
  assert(client.closed);
  await delay(50);
  assertEquals((await at.server.clientList("app")).length, 1, "half-open");
  at.relay.heal();
  await waitFor(async () => (await at.server.clientList("app")).length === 0);
});

Deno.test("FaultProxy.blackhole() hides the server's death from the client", async () => {
  await using at = await setUp();
  const client = await at.client({ name: "app", timeoutMs: 1000 });
  at.relay.blackhole();
  await at.server.kill();
  await assertRejects(() => client.send("PING"), Error, "longer than 1000 ms");
});

Deno.test("FaultProxy with stall holds bytes back until heal()", async () => {
  await using at = await setUp();
  const client = await at.client();
  await at.server.cli("SET", "k", "x".repeat(20_000_000));
  at.relay.set({ toClient: { kind: "stall" } });
  const reply = client.send("GET", "k");
  await delay(100);
  const held = at.relay.bytes.toClient;
  assert(held < 1_000_000, `${held} bytes passed`);
  at.relay.heal();
  const value = await reply;
  assert(typeof value === "string" && value.length === 20_000_000);
});

Deno.test("FaultProxy does not gather what a slow client does not take", async () => {
  await using at = await setUp();
  await at.server.cli("SET", "k", "x".repeat(64_000_000));
  using conn = await Deno.connect({ hostname: at.relay.host, port: at.relay.port });
  await conn.write(new TextEncoder().encode("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"));
  await waitFor(() => at.relay.bytes.toClient > 0, { what: "the first bytes" });
  await delay(200);
  const { toClient } = at.relay.bytes;
  assert(toClient < 32_000_000, `${toClient} bytes taken`);
});

Deno.test("FaultProxy with cut after 0 bytes runs the command and resets the client", async () => {
  await using at = await setUp();
  const command = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";
  at.relay.set({ toClient: { kind: "cut", afterBytes: 0, how: "reset" } });
  assertEquals(await endSeenByNode(at.relay.port, command), "|ECONNRESET");
  assertEquals(await at.server.cli("GET", "n"), "1");
  at.relay.set({ toClient: { kind: "cut", afterBytes: 0, how: "end" } });
  assertEquals(await endSeenByNode(at.relay.port, command), "|FIN");
  assertEquals(await at.server.cli("GET", "n"), "2");
  await waitFor(() => at.relay.connections.length === 0);
  // The server notices the end a moment later.
  await waitFor(async () => (await at.server.clientList()).length === 0);
});

Deno.test("FaultProxy with cut in the middle of a reply delivers the bytes before it", async () => {
  await using at = await setUp();
  await at.server.cli("SET", "k", "abcdefghij".repeat(100_000));
  const command = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
  for (const how of ["end", "reset"] as const) {
    at.relay.set({ toClient: { kind: "cut", afterBytes: 300_000, how } });
    const [got, end] = (await endSeenByNode(at.relay.port, command)).split("|");
    assertEquals(end, how === "end" ? "FIN" : "ECONNRESET");
    // An RST discards what the client has not read yet, as on a busy machine.
    if (how === "end") assertEquals(got!.length, 300_000);
    else assert(got!.length > 0 && got!.length <= 300_000, `${got!.length} bytes came`);
  }
});

Deno.test("ProxyConnection.reset() shows an idle client ECONNRESET, others stay", async () => {
  await using at = await setUp();
  const other = await at.client();
  using conn = await Deno.connect({ hostname: at.relay.host, port: at.relay.port });
  await waitFor(() => at.relay.connections.length === 2);
  const reading = conn.read(new Uint8Array(10));
  at.relay.connections[1].reset();
  await assertRejects(() => reading, Deno.errors.ConnectionReset);
  assertEquals(await other.send("PING"), "PONG");
  at.relay.reset();
  await assertRejects(() => other.send("PING"), Error);
});

Deno.test("ProxyConnection.end() shows a client the orderly end", async () => {
  await using at = await setUp();
  using conn = await Deno.connect({ hostname: at.relay.host, port: at.relay.port });
  await waitFor(() => at.relay.connections.length === 1);
  const reading = conn.read(new Uint8Array(10));
  at.relay.connections[0].end();
  assertEquals(await reading, null);
});

Deno.test("FaultProxy.welcome reset and hold treat new connections only", async () => {
  await using at = await setUp();
  const old = await at.client();
  at.relay.welcome = "reset";
  assertEquals(await endSeenByNode(at.relay.port, "PING\r\n"), "|ECONNRESET");
  at.relay.welcome = "hold";
  const held = await at.client({ timeoutMs: 100 });
  await assertRejects(() => held.send("PING"), Error, "longer than 100 ms");
  assertEquals(await old.send("PING"), "PONG");
  at.relay.heal();
  assertEquals(await (await at.client()).send("PING"), "PONG");
  assertEquals(at.relay.accepted.length, 4);
});

Deno.test("FaultProxy.refuse() closes the door for new connections only, listen() opens it", async () => {
  await using at = await setUp();
  const old = await at.client();
  await at.relay.refuse();
  await assertRejects(() => at.client(), Deno.errors.ConnectionRefused);
  assertEquals(await old.send("PING"), "PONG");
  await at.relay.listen();
  assertEquals(await (await at.client()).send("PING"), "PONG");
});

Deno.test("FaultProxy with forgetAfterIdleMs forgets an idle connection, not a busy one", async () => {
  await using at = await setUp({ forgetAfterIdleMs: 1000 });
  const client = await at.client({ timeoutMs: 1000 });
  for (let i = 0; i < 6; i++) {
    await delay(200);
    assertEquals(await client.send("PING"), "PONG");
  }
  await delay(1100);
  await assertRejects(() => client.send("INCR", "n"), Error, "longer than 1000 ms");
  assertEquals(await at.server.cli("GET", "n"), null);
  assertEquals(await (await at.client()).send("PING"), "PONG");
});

Deno.test("ProxyConnection.inject() and rewrite give the client what no server sent", async () => {
  await using at = await setUp();
  const client = await at.client();
  assertEquals(await client.send("PING"), "PONG");
  await at.relay.connections[0].inject("+SURPLUS\r\n");
  assertEquals(await client.send("PING"), "SURPLUS");
  assertEquals(await client.send("ECHO", "x"), "PONG");
  const other = await at.client();
  at.relay.set({
    toClient: {
      kind: "rewrite",
      rewrite: (chunk) => new Uint8Array([...chunk, ...chunk]),
    },
  });
  assertEquals(await other.send("ECHO", "a"), "a");
  assertEquals(await other.send("ECHO", "b"), "a");
});

Deno.test("ProxyConnection.inject() waits for a client that does not read", async () => {
  await using at = await setUp();
  const conn = await Deno.connect({ hostname: at.relay.host, port: at.relay.port });
  await waitFor(() => at.relay.connections.length === 1);
  let taken = 0;
  const [connection] = at.relay.connections;
  const flood = (async () => {
    while (await connection.inject(new Uint8Array(1_000_000))) taken++;
  })();
  await delay(200);
  const before = taken;
  assert(before > 0 && before < 50, `${before} MB taken`);
  conn.close();
  await flood;
  assertEquals(await connection.inject("x"), false);
});

Deno.test("FaultProxy with script answers some commands in their turn", async () => {
  const seen: string[] = [];
  await using at = await setUp({
    script: (command) => {
      seen.push(command[0]);
      return command[0] === "GET" ? `$3\r\n${command[1]}!\r\n` : undefined;
    },
  });
  const client = await at.client();
  assertEquals(
    await client.pipeline([
      ["GET", "ab"],
      ["INCR", "n"],
      ["GET", "cd"],
      ["SET", "bytes", new Uint8Array([0, 255, 13, 10])],
      ["STRLEN", "bytes"],
      ["GET", "ef"],
    ]),
    ["ab!", 1, "cd!", "OK", 4, "ef!"],
  );
  assertEquals(seen, ["GET", "INCR", "GET", "SET", "STRLEN", "GET"]);
});

Deno.test("FaultProxy.to sends new connections elsewhere", async () => {
  await using at = await setUp();
  await using other = await RedisServer.start();
  const old = await at.client();
  await other.cli("SET", "where", "other");
  at.relay.to = { path: other.unixSocket };
  assertEquals(await old.send("GET", "where"), null);
  assertEquals(await (await at.client()).send("GET", "where"), "other");
});

Deno.test("FaultProxy before a closed port ends its clients", async () => {
  await using at = await setUp();
  await at.server.kill();
  const client = await at.client();
  await assertRejects(() => client.send("PING"), Error);
});

Deno.test("FaultProxy refuses a delay and a cut that are no number of ms and bytes", async () => {
  await using at = await setUp();
  await (await at.client()).send("PING");
  assertThrows(() => at.relay.delay(-1), RangeError, "ms must be an integer, 0 or more");
  assertThrows(
    () => at.relay.cut({ afterBytes: NaN }),
    RangeError,
    "Cannot cut as afterBytes must be an integer, 0 or more: current value is NaN",
  );
});
