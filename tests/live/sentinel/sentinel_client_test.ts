import { assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../../src/core/clock.ts";
import { SentinelClient } from "../../../src/sentinel/client.ts";
import { FaultProxy } from "../../../src/testing/fault_proxy.ts";
import { SentinelTopology } from "../../../src/testing/sentinel_topology.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { openNodeChannel } from "../../../src/transport/node_channel.ts";
import { DEFAULT_REPLY_LIMITS } from "../../../src/transport/reply_types.ts";

const HANDSHAKE = {
  database: "main",
  db: 0,
  keyPrefix: "",
  silenceLimitMs: 60_000,
  replyLimits: DEFAULT_REPLY_LIMITS,
  openChannel: openNodeChannel,
  clock: systemClock,
  observer: { answered: () => {}, blockingAnswered: () => {}, troubled: () => {} },
};

Deno.test("SentinelClient ends with its signal, whatever it waits for", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  const [sentinel] = redis.endpoints;
  await using relay = await FaultProxy.start({
    to: sentinel!,
    // The answer is swallowed.
    script: ([name]) => name?.toLowerCase() === "sentinel" ? "" : undefined,
  });
  const { host, port } = relay;
  const stop = new AbortController();
  const client = await SentinelClient.open(
    HANDSHAKE,
    { host, port },
    60_000,
    stop.signal,
  );
  const asking = assertRejects(() => client.primary(redis.name), Error, "given up");
  assertEquals(relay.connections.length, 1);
  stop.abort(new Error("given up"));
  await asking;
  await waitFor(() => relay.connections.length === 0, {
    what: "the end of the connection",
  });
});

Deno.test("SentinelClient lets go of a signal that outlives it", async () => {
  await using redis = await SentinelTopology.start({ quick: true });
  const [sentinel] = redis.endpoints;
  const stop = new AbortController();
  const listeners = { added: 0, removed: 0 };
  const { signal } = stop;
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners.added++;
    add.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners.removed++;
    remove.apply(signal, args);
  };
  const client = await SentinelClient.open(HANDSHAKE, sentinel!, 5000, signal);
  const { host, port } = await redis.primary();
  assertEquals(await client.primary(redis.name), { host, port });
  client.close();
  await waitFor(() => listeners.removed === listeners.added, { what: "no listener" });
});
