import { assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { Connector } from "../../../src/connection/connector.ts";
import { FakeClock } from "../../../src/testing/fake_clock.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import type { OpenChannel } from "../../../src/transport/channel.ts";
import { DEFAULT_REPLY_LIMITS } from "../../../src/transport/reply_types.ts";

Deno.test("Opener.close() resolves when nothing of its looks at the server is left", async () => {
  const clock = new FakeClock();
  let attempts = 0;
  let looks = 0;
  // A server that is silent: what is opened settles some time after it is given up.
  const openChannel: OpenChannel = async (_endpoint, { signal, tls }) => {
    signal.throwIfAborted();
    const isLook = tls === undefined;
    if (isLook) looks++;
    else attempts++;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await delay(10);
    if (isLook) looks--;
    throw signal.reason;
  };
  const opener = new Connector({
    database: "main",
    db: 0,
    keyPrefix: "",
    silenceLimitMs: 1000,
    replyLimits: DEFAULT_REPLY_LIMITS,
    connectTimeoutMs: 60_000,
    loadingTimeoutMs: 1000,
    heartbeatMs: 0,
    retry: { attempts: 1, minMs: 1, maxMs: 1, multiplier: 1, jitter: 0 },
    resolve: () => Promise.resolve({ host: "127.0.0.1", port: 1 }),
    tls: () => Promise.resolve({ verify: true }),
    openChannel,
    reached: () => {},
    attemptFailed: () => {},
    attemptRepeated: () => {},
    loading: () => {},
    clock,
    observer: { answered: () => {}, blockingAnswered: () => {}, troubled: () => {} },
  });
  const stop = new AbortController();
  const opening = assertRejects(() => opener.open("lane", stop.signal), Error, "over");
  await waitFor(() => attempts === 1, { what: "an attempt" });
  await clock.advance(500);
  assertEquals(looks, 1, "a server that is silent to TLS is looked at");

  stop.abort(new Error("over"));
  await opening;
  assertEquals(looks, 1, "a look outlives the attempt that began it");
  await opener.close();
  assertEquals(looks, 0);
});
