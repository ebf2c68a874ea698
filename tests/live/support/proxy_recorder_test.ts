import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { RedisServer } from "../../../src/testing/redis_server.ts";
import { RespClient } from "../../../src/testing/resp_client.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { ProxyRecorder } from "../../support/proxy_recorder.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("ProxyRecorder remembers the last chunks of each connection, and what is about a key", () => {
  let now = 0;
  const recorder = new ProxyRecorder(1024 ** 2, () => now += 1000);
  recorder.event("a cut begins");
  for (let i = 1; i <= 5; i++) {
    recorder.bytes(1, "toServer", bytes(`INCR n${i}`), "passed");
  }
  recorder.bytes(2, "toClient", bytes(":7"), "lost");
  recorder.event("the socket of the client closed", 2);
  const lines = recorder.dump({ chunks: 2, about: ["n2"] }).split("\n");
  assertEquals(lines, [
    "Remembered: 8 entries from 1.000 s to 8.000 s; now it is 9.000 s",
    "What happened to all:",
    "  1.000 s a cut begins",
    "Chunks about n2: 1, the last 40:",
    '  #1  3.000 s → 7 B "INCR n2"',
    "Connection #2, the last 2 of 2 entries:",
    '  7.000 s ← LOST 2 B ":7"',
    "  8.000 s the socket of the client closed",
    "Connection #1, the last 2 of 5 entries:",
    '  5.000 s → 7 B "INCR n4"',
    '  6.000 s → 7 B "INCR n5"',
  ]);
});

Deno.test("ProxyRecorder forgets the oldest, keeps head and tail of a long chunk, and never grows", () => {
  const recorder = new ProxyRecorder(64 * 1024);
  for (let i = 0; i < 10_000; i++) {
    recorder.bytes(1, "toServer", bytes(`<${i}>`), "passed");
  }
  const long = bytes(`head${"x".repeat(100_000)}tail`);
  recorder.bytes(1, "toClient", long, "passed");
  const dump = recorder.dump({ about: ["<1>", "<9999>"] });
  assertStringIncludes(dump, "Chunks about <1>, <9999>: 1,");
  assertStringIncludes(dump, '→ 6 B "<9999>"');
  assert(/← 100008 B "head(x+) … (x+)tail"/.test(dump), dump.slice(-2000));
  const [, entries] = /Remembered: (\d+) entries/.exec(dump)!;
  assert(Number(entries) > 1000 && Number(entries) < 3000, `${entries} entries are kept`);
});

Deno.test("FaultProxy tells its recorder what passed, what was lost and what ended it", async () => {
  await using server = await RedisServer.start();
  const recorder = new ProxyRecorder();
  await using relay = await FaultProxy.start({ to: server, observer: recorder });
  const client = await RespClient.connect({ hostname: relay.host, port: relay.port });
  await client.send("PING");
  relay.set({ toClient: { kind: "cut", afterBytes: 2, how: "reset" } });
  await client.send("ECHO", "abc").catch(() => {});
  await waitFor(() => relay.connections.length === 0);
  const dump = recorder.dump();
  for (
    const part of [
      'faults are set: {"toClient":{"kind":"cut","afterBytes":2,"how":"reset"}}',
      "Connection #1",
      "accepted, faults {}",
      '→ 14 B "*1\\r\\n$4\\r\\nPING\\r\\n"',
      '← 7 B "+PONG\\r\\n"',
      '← 2 B "$3"',
      '← LOST 7 B "\\r\\nabc\\r\\n"',
      "is reset by the proxy",
      "the socket of the client closed",
    ]
  ) assertStringIncludes(dump, part);
});
