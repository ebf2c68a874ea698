import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ConnectError } from "../../../mod.ts";
import { onStage } from "../faults/_stage.ts";

/** Takes the handshake, and answers no PING. */
const script = ([name]: string[]) =>
  name!.toLowerCase() === "ping" ? new Uint8Array() : undefined;

Deno.test("a server that does not say whether it serves is given up after loadingTimeoutMs, and told so", () =>
  onStage({
    manager: {
      loadingTimeoutMs: 300,
      connectTimeoutMs: 20_000,
      commandTimeoutMs: 20_000,
      connectRetry: { attempts: 1 },
    },
    relay: { script },
  }, async ({ manager }) => {
    const error = await assertRejects(
      () => manager.getAsyncClient("main"),
      ConnectError,
    );
    assertStringIncludes(error.message, "no answer to PING within 300 ms");
    assertEquals(error.retryable, true);
  }));
