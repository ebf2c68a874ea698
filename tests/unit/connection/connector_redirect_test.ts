import { assertRejects } from "@std/assert";
import { Connector } from "../../../src/connection/connector.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { waitFor } from "../../../src/testing/wait.ts";
import { DEFAULT_REPLY_LIMITS } from "../../../src/transport/reply_types.ts";

Deno.test("Connector starts again when it is redirected, while it waits and later", async () => {
  let attempts = 0;
  const opener = new Connector({
    database: "main",
    db: 0,
    keyPrefix: "",
    silenceLimitMs: 1000,
    replyLimits: DEFAULT_REPLY_LIMITS,
    connectTimeoutMs: 1000,
    loadingTimeoutMs: 1000,
    heartbeatMs: 0,
    // Whoever waits for the second attempt of the policy waits for ever here.
    retry: {
      attempts: 10,
      minMs: 3_600_000,
      maxMs: 3_600_000,
      multiplier: 1,
      jitter: 0,
    },
    resolve: () => Promise.resolve({ host: "127.0.0.1", port: 1 }),
    openChannel: () => {
      attempts++;
      return Promise.reject(
        Object.assign(new Error("refused"), { code: "ECONNREFUSED" }),
      );
    },
    reached: () => {},
    attemptFailed: () => {},
    attemptRepeated: () => {},
    loading: () => {},
    clock: systemClock,
    observer: { answered: () => {}, blockingAnswered: () => {}, troubled: () => {} },
  });
  const stop = new AbortController();
  const opening = assertRejects(() => opener.open("lane", stop.signal), Error, "over");
  await waitFor(() => attempts === 1, { what: "the first attempt" });
  opener.redirect();
  await waitFor(() => attempts === 2, { what: "an attempt elsewhere" });
  opener.redirect();
  await waitFor(() => attempts === 3, { what: "another one" });
  stop.abort(new Error("over"));
  await opening;
});
