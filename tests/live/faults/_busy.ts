/** A server that is busy with a script. */
import type { RedisServer } from "../../../src/testing/redis_server.ts";
import { waitFor } from "../../support/clients.ts";

/** Settings of a server that says soon that it is busy. */
export const SOON_BUSY = { config: { "busy-reply-threshold": "20" } };

/**
 * Has a server run a script without end, and waits until it answers BUSY.
 *
 * @returns Ends the script.
 */
export async function keepBusy(server: RedisServer): Promise<() => Promise<void>> {
  const looper = await server.connect();
  const looping = looper.send("EVAL", "while true do end", "0");
  looping.catch(() => {}); // thrown when it is ended
  await waitFor(async () => String(await server.cli("PING")).startsWith("BUSY"), {
    what: "BUSY",
  });
  return async () => {
    await server.cli("SCRIPT", "KILL");
    await looping;
    looper.close();
  };
}
