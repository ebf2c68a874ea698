import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ConnectError } from "../../../mod.ts";
import { onStage } from "../faults/_stage.ts";

/** Takes the handshake, and answers no PING. */
const script = ([name]: string[]) =>
  name!.toLowerCase() === "ping" ? new Uint8Array() : undefined;

Deno.test("a server that does not say whether it serves is given up at the deadline of the attempt, and told so", () =>
  onStage({
    manager: {
      loadingTimeoutMs: 60_000,
      connectTimeoutMs: 300,
      commandTimeoutMs: 20_000,
      connectRetry: { attempts: 1 },
    },
    relay: { script },
  }, async ({ manager }) => {
    const error = await assertRejects(
      () => manager.getAsyncClient("main"),
      ConnectError,
    );
    assertStringIncludes(error.message, "no answer within 300 ms");
    assertEquals(error.retryable, true);
  }));
