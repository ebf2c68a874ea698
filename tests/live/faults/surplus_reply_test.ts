import { assertEquals, assertInstanceOf } from "@std/assert";
import { CommandTimeoutError, ProtocolError } from "../../../mod.ts";
import type { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { delay, waitFor } from "../../support/clients.ts";
import { plainOutcome } from "./_plain.ts";
import { report } from "./_report.ts";
import { onStage } from "./_stage.ts";

Deno.test("a reply on an idle connection ends it before a command can get it", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    assertEquals(await client.incr("n"), 1);
    const start = performance.now();
    await relay.connections[0]!.inject(":99\r\n");
    await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
    const noticedMs = performance.now() - start;
    assertEquals(await client.incr("n"), 2);
    assertEquals(relay.accepted.length, 2);
    const plain = await plainOutcome(relay.port, async (redis) => {
      await redis.ping();
      server.pause();
      const fooled = redis.incr("plain");
      await relay.connections.at(-1)!.inject(":99\r\n");
      await fooled;
      server.resume();
      return `the next INCR got ${await redis.incr("plain")}, the counter was ` +
        `${await server.cli("GET", "plain")}`;
    });
    await report({
      ...plain,
      row: 41,
      fault: "surplus reply",
      outcome: "connection destroyed, no stranger's reply",
      noticedMs,
    });
  }));

Deno.test("two replies in place of one give neither", () => {
  const script = ([name]: string[]) => name === "incrby" ? ":1\r\n:99\r\n" : undefined;
  return onStage({ relay: { script } }, async ({ manager }) => {
    const client = manager.getClient("main");
    const doubled = await client.incrby("n", 1).catch((error) => error);
    assertInstanceOf(doubled, ProtocolError);
    assertEquals(doubled.delivery, "ambiguous");
    assertEquals(await client.incr("other"), 1);
  });
});

Deno.test("a push answers nothing: at the deadline the connection is ended, before another command can get its place", () => {
  let relay: FaultProxy | undefined;
  const script = ([name]: string[]) => {
    if (name !== "set") return undefined;
    // Just before the deadline, so that bytes came a moment ago.
    setTimeout(() => void relay!.connections[0]!.inject(">2\r\n+a\r\n:1\r\n"), 400);
    return "";
  };
  return onStage(
    { relay: { script }, manager: { commandTimeoutMs: 500 } },
    async (stage) => {
      relay = stage.relay;
      const client = stage.manager.getClient("main");
      const patient = client.with({ timeoutMs: 20_000 });
      await patient.ping();
      const unanswered = await client.set("k", "v").catch((error) => error);
      assertInstanceOf(unanswered, CommandTimeoutError);
      assertEquals([await patient.incr("n"), await patient.echo("mine")], [1, "mine"]);
      assertEquals(relay.accepted.length, 2);
    },
  );
});

Deno.test("a surplus reply before the right one is noticed when the right one comes", () =>
  onStage({}, async ({ server, relay, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    server.pause();
    const fooled = client.incr("n");
    await delay(20);
    await relay.connections[0]!.inject(":99\r\n");
    // Nothing tells it from the right reply: the documentation says so.
    assertEquals(await fooled, 99);
    server.resume();
    await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
    assertEquals(await client.incr("n"), 2);
    assertEquals(relay.accepted.length, 2);
  }));

Deno.test("a confirmation of a SUBSCRIBE that nobody sent ends the connection", () =>
  onStage({}, async ({ relay, manager }) => {
    const client = manager.getClient("main");
    await client.ping();
    await relay.connections[0]!.inject(">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    await waitFor(() => manager.getPoolStatistics("main").lanes === 0);
    assertEquals(await client.incr("n"), 1);
  }));

Deno.test("a lease may subscribe, listen, unsubscribe and go on", () =>
  onStage({}, async ({ server, relay, manager }) => {
    await using lease = await manager.acquire("main");
    const heard: string[] = [];
    lease.client.on("message", (channel, message) => heard.push(`${channel} ${message}`));
    await lease.client.subscribe("a", "b");
    await server.cli("PUBLISH", "a", "1");
    await server.cli("PUBLISH", "b", "2");
    await waitFor(() => heard.length === 2);
    assertEquals(heard, ["a 1", "b 2"]);
    await lease.client.unsubscribe("a", "b");
    assertEquals(await lease.client.ping(), "PONG");
    assertEquals(relay.accepted.length, 1);
  }));
