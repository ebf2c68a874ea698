import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ConnectError } from "../../../mod.ts";
import { onStage } from "../faults/_stage.ts";

/** Takes the handshake, and answers no PING. */
const script = ([name]: string[]) =>
  name!.toLowerCase() === "ping" ? new Uint8Array() : undefined;

Deno.test("a server that does not answer PING fails the attempt at its deadline, with that reason", () =>
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
